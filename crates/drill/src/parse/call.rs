//! A call: `accept(3, ..., ...) = 4`, `0...0.2 read(4, ..., 10) = 10`, `connect(3, ..., ...) = -1 EINPROGRESS (…)`.

use super::{MAX_DEPTH, Parser};
use crate::lex::Kind;
use crate::script::{Call, Expr, Field};
use crate::source::ScriptError;

impl Parser {
    pub(super) fn call(&mut self) -> Result<Call, ScriptError> {
        let until = if self.peek() == Some(&Kind::Ellipsis) {
            self.at += 1;
            self.take_sign('+');
            Some(self.time()?)
        } else {
            None
        };
        let place = self.place();
        let name = self.word("a call's name")?;
        self.expect_sign('(')?;
        let arguments = self.list(')')?;
        self.expect_sign('=')?;
        let result = self.expr()?;
        let errno = match self.peek_word() {
            Some(word) if word.starts_with('E') => Some(word.to_owned()),
            _ => None,
        };
        self.at += usize::from(errno.is_some());
        self.note()?;
        Ok(Call { place, name, arguments, result, errno, until })
    }

    /// A remark in parentheses after a result: `(Operation now in progress)`.
    fn note(&mut self) -> Result<(), ScriptError> {
        if !self.take_sign('(') {
            return Ok(());
        }
        while !self.take_sign(')') {
            if self.next().is_none() {
                return self.unexpected("`)`");
            }
        }
        Ok(())
    }

    /// Expressions with commas between them, up to and with `close`.
    fn list(&mut self, close: char) -> Result<Vec<Expr>, ScriptError> {
        let mut list = Vec::new();
        if self.take_sign(close) {
            return Ok(list);
        }
        loop {
            list.push(self.expr()?);
            if !self.take_sign(',') {
                self.expect_sign(close)?;
                return Ok(list);
            }
        }
    }

    fn expr(&mut self) -> Result<Expr, ScriptError> {
        if self.depth == MAX_DEPTH {
            return self.error("this is nested too deeply");
        }
        self.depth += 1;
        let expr = self.alternatives();
        self.depth -= 1;
        expr
    }

    fn alternatives(&mut self) -> Result<Expr, ScriptError> {
        let first = self.term()?;
        if !self.is_sign('|') {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.take_sign('|') {
            all.push(self.term()?);
        }
        Ok(Expr::Or(all))
    }

    fn term(&mut self) -> Result<Expr, ScriptError> {
        let place = self.place();
        match self.peek() {
            Some(Kind::Ellipsis) => {
                self.at += 1;
                Ok(Expr::Any)
            }
            Some(Kind::Integer(number)) => {
                let number = *number;
                self.at += 1;
                Ok(Expr::Number(number))
            }
            Some(Kind::Hex(number)) => {
                let number = *number as i64;
                self.at += 1;
                Ok(Expr::Number(number))
            }
            Some(Kind::Text(_)) => Ok(self.text()),
            Some(Kind::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                if !self.take_sign('(') {
                    return Ok(Expr::Word(place, word));
                }
                let argument = self.expr()?;
                self.expect_sign(')')?;
                Ok(Expr::Apply(place, word, Box::new(argument)))
            }
            Some(Kind::Sign('[')) => {
                self.at += 1;
                self.list(']').map(Expr::List)
            }
            Some(Kind::Sign('{')) => {
                self.at += 1;
                self.fields().map(|fields| Expr::Struct(place, fields))
            }
            _ => self.unexpected("a value: a number, a name, \"text\", [a list], {a structure} or `...`"),
        }
    }

    /// Strings that stand side by side are one.
    fn text(&mut self) -> Expr {
        let mut all = Vec::new();
        while let Some(Kind::Text(bytes)) = self.peek() {
            all.extend_from_slice(bytes);
            self.at += 1;
        }
        if self.peek() == Some(&Kind::Ellipsis) {
            self.at += 1;
            return Expr::TextAndMore(all);
        }
        Expr::Text(all)
    }

    /// What stands in a structure, up to and with its closing brace.
    fn fields(&mut self) -> Result<Vec<Field>, ScriptError> {
        let mut fields = Vec::new();
        if self.take_sign('}') {
            return Ok(fields);
        }
        loop {
            fields.push(self.field()?);
            if !self.take_sign(',') {
                self.expect_sign('}')?;
                return Ok(fields);
            }
        }
    }

    fn field(&mut self) -> Result<Field, ScriptError> {
        let begin = self.at;
        if let Some(Kind::Word(name)) = self.peek() {
            let name = Some(name.clone());
            self.at += 1;
            if self.take_sign('=') {
                return Ok(Field { name, len: None, value: self.expr()? });
            }
            if self.take_sign('(') {
                let len = Some(self.expr()?);
                self.expect_sign(')')?;
                if self.take_sign('=') {
                    return Ok(Field { name, len, value: self.expr()? });
                }
            }
            self.at = begin;
        }
        Ok(Field { name: None, len: None, value: self.expr()? })
    }
}
