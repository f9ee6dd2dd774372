//! From tokens to statements: precedence as in Python.

use super::CodeError;
use super::lex::{Kind, Token};
use super::value::Value;

#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Assert {
        condition: Expr,
        words: Vec<Expr>,
    },
    Print(Vec<Expr>),
    Assign(String, Expr),
    /// An expression of which nothing is made.
    Value(Expr),
    Pass,
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Constant(Value),
    Name(String),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a < b <= c`: the first, and each of the others with its sign.
    Compare(Box<Expr>, Vec<(&'static str, Expr)>),
    /// `then if condition else other`
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
}

/// How deep expressions may nest.
const MAX_DEPTH: u32 = 32;

/// Binary operators, those that bind least first; all of them bind to the left.
const LEVELS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%"]];
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
const ASSIGNMENTS: [(&str, &str); 11] = [
    ("+=", "+"),
    ("-=", "-"),
    ("*=", "*"),
    ("/=", "/"),
    ("%=", "%"),
    ("|=", "|"),
    ("&=", "&"),
    ("^=", "^"),
    ("//=", "//"),
    ("<<=", "<<"),
    (">>=", ">>"),
];
const UNKNOWN: [&str; 14] = [
    "if", "for", "while", "def", "import", "from", "class", "try", "with", "return", "lambda", "raise", "del", "global",
];

pub(super) fn statements(tokens: &[Token]) -> Result<Vec<Statement>, CodeError> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let mut statements = Vec::new();
    loop {
        while parser.take_kind(&Kind::End) {}
        if parser.at >= tokens.len() {
            return Ok(statements);
        }
        let line = parser.line();
        let what = parser.statement()?;
        statements.push(Statement { line, what });
        if !parser.take_kind(&Kind::End) {
            return parser.error("a statement ends before this");
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, CodeError> {
        Err(CodeError::new(self.line(), message))
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn take_kind(&mut self, kind: &Kind) -> bool {
        let is_there = self.peek() == Some(kind);
        self.at += usize::from(is_there);
        is_there
    }

    fn take_sign(&mut self, sign: &'static str) -> bool {
        self.take_kind(&Kind::Sign(sign))
    }

    fn take_name(&mut self, name: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Kind::Name(this)) if this == name);
        self.at += usize::from(is_there);
        is_there
    }

    /// Takes one of these signs.
    fn take_one(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.take_sign(sign))
    }

    fn statement(&mut self) -> Result<What, CodeError> {
        if self.take_name("assert") {
            let condition = self.expr()?;
            let words = if self.take_sign(",") { self.list()? } else { Vec::new() };
            return Ok(What::Assert { condition, words });
        }
        if self.take_name("print") {
            let words = if self.peek() == Some(&Kind::End) { Vec::new() } else { self.printed()? };
            return Ok(What::Print(words));
        }
        if self.take_name("pass") {
            return Ok(What::Pass);
        }
        if let Some(Kind::Name(name)) = self.peek() {
            let name = name.clone();
            if UNKNOWN.contains(&name.as_str()) {
                return self.error(format!("`{name}` is not in the part of Python that is known here"));
            }
            let begin = self.at;
            self.at += 1;
            if self.take_sign("=") {
                return Ok(What::Assign(name, self.expr()?));
            }
            if let Some((_, operator)) = ASSIGNMENTS.iter().copied().find(|(sign, _)| self.take_sign(sign)) {
                let old = Expr::Name(name.clone());
                return Ok(What::Assign(name, Expr::Binary(operator, Box::new(old), Box::new(self.expr()?))));
            }
            self.at = begin;
        }
        self.expr().map(What::Value)
    }

    /// What stands behind `print`, with parentheses around all of it or without.
    fn printed(&mut self) -> Result<Vec<Expr>, CodeError> {
        let begin = self.at;
        if self.take_sign("(") {
            let words = if self.take_sign(")") {
                Vec::new()
            } else {
                let words = self.list()?;
                if !self.take_sign(")") {
                    return self.error("`)` is missing");
                }
                words
            };
            if self.peek() == Some(&Kind::End) {
                return Ok(words);
            }
            self.at = begin;
        }
        self.list()
    }

    fn list(&mut self) -> Result<Vec<Expr>, CodeError> {
        let mut all = vec![self.expr()?];
        while self.take_sign(",") {
            all.push(self.expr()?);
        }
        Ok(all)
    }

    fn expr(&mut self) -> Result<Expr, CodeError> {
        if self.depth == MAX_DEPTH {
            return self.error("this is nested too deeply");
        }
        self.depth += 1;
        let expr = self.choice();
        self.depth -= 1;
        expr
    }

    fn choice(&mut self) -> Result<Expr, CodeError> {
        let then = self.or()?;
        if !self.take_name("if") {
            return Ok(then);
        }
        let condition = self.or()?;
        if !self.take_name("else") {
            return self.error("`else` is missing");
        }
        Ok(Expr::Choice(Box::new(condition), Box::new(then), Box::new(self.expr()?)))
    }

    fn or(&mut self) -> Result<Expr, CodeError> {
        let mut left = self.and()?;
        while self.take_name("or") {
            left = Expr::Binary("or", Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, CodeError> {
        let mut left = self.not()?;
        while self.take_name("and") {
            left = Expr::Binary("and", Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, CodeError> {
        let mut count = 0_u32;
        while self.take_name("not") {
            count += 1;
        }
        let mut expr = self.comparison()?;
        // an even number of them still makes a truth of a value
        for _ in 0..count.min(2 + count % 2) {
            expr = Expr::Unary("not", Box::new(expr));
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, CodeError> {
        let first = self.binary(0)?;
        let mut others = Vec::new();
        while let Some(sign) = self.take_one(&COMPARISONS) {
            others.push((sign, self.binary(0)?));
        }
        Ok(if others.is_empty() { first } else { Expr::Compare(Box::new(first), others) })
    }

    fn binary(&mut self, level: usize) -> Result<Expr, CodeError> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(sign) = self.take_one(signs) {
            left = Expr::Binary(sign, Box::new(left), Box::new(self.binary(level + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, CodeError> {
        let Some(sign) = self.take_one(&["-", "+", "~"]) else { return self.power() };
        if self.depth == MAX_DEPTH {
            return self.error("this is nested too deeply");
        }
        self.depth += 1;
        let inner = self.unary();
        self.depth -= 1;
        Ok(Expr::Unary(sign, Box::new(inner?)))
    }

    fn power(&mut self) -> Result<Expr, CodeError> {
        let base = self.atom()?;
        if !self.take_sign("**") {
            return Ok(base);
        }
        if self.depth == MAX_DEPTH {
            return self.error("this is nested too deeply");
        }
        self.depth += 1;
        let exponent = self.unary();
        self.depth -= 1;
        Ok(Expr::Binary("**", Box::new(base), Box::new(exponent?)))
    }

    fn atom(&mut self) -> Result<Expr, CodeError> {
        let kind = self.peek().cloned();
        self.at += 1;
        match kind {
            Some(Kind::Integer(number)) => Ok(Expr::Constant(Value::Integer(number))),
            Some(Kind::Fraction(number)) => Ok(Expr::Constant(Value::Fraction(number))),
            Some(Kind::Text(text)) => Ok(Expr::Constant(Value::Text(text))),
            Some(Kind::Name(name)) => self.named(name),
            Some(Kind::Sign("(")) => {
                let inner = self.expr()?;
                if self.take_sign(")") { Ok(inner) } else { self.error("`)` is missing") }
            }
            _ => {
                self.at -= 1;
                self.error("a value is missing: a number, a name, a text or (…)")
            }
        }
    }

    fn named(&mut self, name: String) -> Result<Expr, CodeError> {
        match name.as_str() {
            "True" => return Ok(Expr::Constant(Value::Truth(true))),
            "False" => return Ok(Expr::Constant(Value::Truth(false))),
            "None" => return Ok(Expr::Constant(Value::None)),
            _ => {}
        }
        if !self.take_sign("(") {
            return Ok(Expr::Name(name));
        }
        if self.take_sign(")") {
            return Ok(Expr::Call(name, Vec::new()));
        }
        let arguments = self.list()?;
        if self.take_sign(")") { Ok(Expr::Call(name, arguments)) } else { self.error("`)` is missing") }
    }
}
