//! What statements do. Nothing here can run long or fail other than by an error: there are no loops, and numbers have bounds.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::parse::{Expr, Statement, What};
use super::{CodeError, Names, Value};

type Variables = BTreeMap<String, Value>;

pub(super) fn execute(
    statement: &Statement,
    variables: &mut Variables,
    names: &dyn Names,
    printed: &mut Vec<String>,
) -> Result<(), CodeError> {
    let scope = Scope { variables, names };
    let at = |message: String| CodeError::new(statement.line, message);
    match &statement.what {
        What::Assert { condition, words } => {
            if !scope.eval(condition).map_err(at)?.is_true() {
                return Err(at(scope.failed(condition, words)));
            }
        }
        What::Print(words) => printed.push(scope.words(words).map_err(at)?),
        What::Assign(name, value) => {
            let value = scope.eval(value).map_err(at)?;
            variables.insert(name.clone(), value);
        }
        What::Value(value) => drop(scope.eval(value).map_err(at)?),
        What::Pass => {}
    }
    Ok(())
}

struct Scope<'a> {
    variables: &'a Variables,
    names: &'a dyn Names,
}

type Evaluated = Result<Value, String>;

impl Scope<'_> {
    fn eval(&self, expr: &Expr) -> Evaluated {
        match expr {
            Expr::Constant(value) => Ok(value.clone()),
            Expr::Name(name) => self.name(name),
            Expr::Unary(sign, inner) => unary(sign, &self.eval(inner)?),
            Expr::Binary("and", left, right) => {
                let left = self.eval(left)?;
                if left.is_true() { self.eval(right) } else { Ok(left) }
            }
            Expr::Binary("or", left, right) => {
                let left = self.eval(left)?;
                if left.is_true() { Ok(left) } else { self.eval(right) }
            }
            Expr::Binary(sign, left, right) => binary(sign, &self.eval(left)?, &self.eval(right)?),
            Expr::Compare(first, others) => self.compare(first, others),
            Expr::Choice(condition, then, other) => {
                self.eval(if self.eval(condition)?.is_true() { then } else { other })
            }
            Expr::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| self.eval(argument)).collect::<Result<Vec<_>, _>>()?;
                call(function, &arguments)
            }
        }
    }

    fn name(&self, name: &str) -> Evaluated {
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        match self.names.value(name) {
            Some(number) => Ok(Value::Integer(number)),
            None => Err(format!("`{name}` has no value here")),
        }
    }

    fn compare(&self, first: &Expr, others: &[(&'static str, Expr)]) -> Evaluated {
        let mut left = self.eval(first)?;
        for (sign, right) in others {
            let right = self.eval(right)?;
            let order = left.compare(&right);
            let holds = match *sign {
                "==" => order == Some(Ordering::Equal),
                "!=" => order != Some(Ordering::Equal),
                _ => {
                    let order = order.ok_or_else(|| format!("{left} and {right} have no order"))?;
                    match *sign {
                        "<" => order.is_lt(),
                        "<=" => order.is_le(),
                        ">" => order.is_gt(),
                        _ => order.is_ge(),
                    }
                }
            };
            if !holds {
                return Ok(Value::Truth(false));
            }
            left = right;
        }
        Ok(Value::Truth(true))
    }

    fn words(&self, words: &[Expr]) -> Result<String, String> {
        let words =
            words.iter().map(|word| self.eval(word).map(|value| value.to_string())).collect::<Result<Vec<_>, _>>()?;
        Ok(words.join(" "))
    }

    /// Why an assertion does not hold: its words, and what the names in it are worth.
    fn failed(&self, condition: &Expr, words: &[Expr]) -> String {
        let mut names = Vec::new();
        collect_names(condition, &mut names);
        let worth: Vec<String> =
            names.iter().filter_map(|name| self.name(name).ok().map(|value| format!("{name} is {value}"))).collect();
        let mut message = "the assertion does not hold".to_owned();
        if let Ok(said) = self.words(words)
            && !said.is_empty()
        {
            message.push_str(&format!(" ({said})"));
        }
        if !worth.is_empty() {
            message.push_str(&format!(": {}", worth.join(", ")));
        }
        message
    }
}

fn collect_names(expr: &Expr, names: &mut Vec<String>) {
    match expr {
        Expr::Constant(_) => {}
        Expr::Name(name) if names.contains(name) => {}
        Expr::Name(name) => names.push(name.clone()),
        Expr::Unary(_, inner) => collect_names(inner, names),
        Expr::Binary(_, left, right) => {
            collect_names(left, names);
            collect_names(right, names);
        }
        Expr::Compare(first, others) => {
            collect_names(first, names);
            others.iter().for_each(|(_, other)| collect_names(other, names));
        }
        Expr::Choice(condition, then, other) => {
            [condition, then, other].iter().for_each(|part| collect_names(part, names));
        }
        Expr::Call(_, arguments) => arguments.iter().for_each(|argument| collect_names(argument, names)),
    }
}

fn unary(sign: &str, value: &Value) -> Evaluated {
    match sign {
        "not" => Ok(Value::Truth(!value.is_true())),
        "~" => value.integer().map(|number| Value::Integer(!number)).ok_or_else(|| format!("~{value} makes no sense")),
        _ => {
            let negate = sign == "-";
            if let Some(number) = value.integer() {
                let number = if negate { number.checked_neg() } else { Some(number) };
                return number.map(Value::Integer).ok_or_else(|| "the result is too large".to_owned());
            }
            let number = value.fraction().ok_or_else(|| format!("{sign}{value} makes no sense"))?;
            Ok(Value::Fraction(if negate { -number } else { number }))
        }
    }
}

fn binary(sign: &str, left: &Value, right: &Value) -> Evaluated {
    if let (Some(one), Some(other)) = (left.integer(), right.integer()) {
        return integers(sign, one, other);
    }
    if let (Value::Text(one), "+", Value::Text(other)) = (left, sign, right) {
        return Ok(Value::Text(format!("{one}{other}")));
    }
    if let (Value::Text(template), "%") = (left, sign) {
        return Ok(Value::Text(fill(template, right)));
    }
    let (Some(one), Some(other)) = (left.fraction(), right.fraction()) else {
        return Err(format!("{left} {sign} {right} makes no sense"));
    };
    let result = match sign {
        "+" => one + other,
        "-" => one - other,
        "*" => one * other,
        "/" | "//" | "%" if other == 0.0 => return Err("division by zero".to_owned()),
        "/" => one / other,
        "//" => (one / other).floor(),
        "%" => one - (one / other).floor() * other,
        "**" => one.powf(other),
        _ => return Err(format!("{left} {sign} {right} makes no sense")),
    };
    Ok(Value::Fraction(result))
}

fn integers(sign: &str, one: i128, other: i128) -> Evaluated {
    let bits = u32::try_from(other).ok();
    let result = match sign {
        "+" => one.checked_add(other),
        "-" => one.checked_sub(other),
        "*" => one.checked_mul(other),
        "/" | "//" | "%" if other == 0 => return Err("division by zero".to_owned()),
        "/" => return Ok(Value::Fraction(one as f64 / other as f64)),
        // towards minus infinity, as Python does
        "//" => {
            one.checked_div(other).map(|quotient| quotient - i128::from(one % other != 0 && (one < 0) != (other < 0)))
        }
        "%" => {
            one.checked_rem(other).map(|rest| if rest != 0 && (rest < 0) != (other < 0) { rest + other } else { rest })
        }
        "**" if other < 0 => return Ok(Value::Fraction((one as f64).powf(other as f64))),
        "**" => bits.and_then(|exponent| one.checked_pow(exponent)),
        "&" => Some(one & other),
        "|" => Some(one | other),
        "^" => Some(one ^ other),
        "<<" => bits.filter(|bits| *bits < 64).and_then(|bits| one.checked_mul(1 << bits)),
        ">>" => bits.map(|bits| one >> bits.min(127)),
        _ => return Err(format!("`{sign}` is not known here")),
    };
    result.map(Value::Integer).ok_or_else(|| format!("{one} {sign} {other} is too large"))
}

/// `"%d bytes" % value`: each place of the template gets the value.
fn fill(template: &str, value: &Value) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let kind = after.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or(0);
        match after.get(kind..=kind) {
            Some("%") => out.push('%'),
            Some(_) => out.push_str(&value.to_string()),
            None => out.push('%'),
        }
        rest = after.get(kind + 1..).unwrap_or_default();
    }
    out + rest
}

fn call(function: &str, arguments: &[Value]) -> Evaluated {
    let wrong = || format!("{function} does not take these arguments");
    match (function, arguments) {
        ("abs", [value]) => match value.integer() {
            Some(number) => number.checked_abs().map(Value::Integer).ok_or_else(wrong),
            None => value.fraction().map(|number| Value::Fraction(number.abs())).ok_or_else(wrong),
        },
        ("int", [Value::Text(text)]) => text.trim().parse().map(Value::Integer).map_err(|_| wrong()),
        ("int", [Value::Fraction(number)]) => Ok(Value::Integer(*number as i128)),
        ("int", [value]) => value.integer().map(Value::Integer).ok_or_else(wrong),
        ("float", [value]) => value.fraction().map(Value::Fraction).ok_or_else(wrong),
        ("str", [value]) => Ok(Value::Text(value.to_string())),
        ("len", [Value::Text(text)]) => Ok(Value::Integer(text.chars().count() as i128)),
        ("min" | "max", [first, others @ ..]) => others.iter().try_fold(first.clone(), |best, value| {
            let order = value.compare(&best).ok_or_else(wrong)?;
            let is_better = if function == "min" { order.is_lt() } else { order.is_gt() };
            Ok(if is_better { value.clone() } else { best })
        }),
        ("abs" | "int" | "float" | "str" | "len" | "min" | "max", _) => Err(wrong()),
        _ => Err(format!("there is no function {function} here")),
    }
}
