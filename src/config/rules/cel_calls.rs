//! Calls of a CEL condition: operators, functions and macros, each with the types that it takes.
//!
//! Refuses what the list of functions in `docs/reference/rules.md` does not have.

use super::cel::{CEL_REMEDY, Checker, Typed, Wrong};
use crate::detect::rule::{Arithmetic, Compare, Expr, Pattern, Quantifier, TextTest, Type};
use cel::IdedExpr;
use cel::common::ast::{self, CallExpr, ComprehensionExpr, LiteralValue, operators as op};

impl Checker<'_> {
    pub(super) fn call(&mut self, from: &IdedExpr, call: &CallExpr) -> Typed {
        let args: Vec<&IdedExpr> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        match (call.func_name.as_str(), args.as_slice()) {
            (op::LOGICAL_AND, parts) => Ok((
                Expr::And(self.junction(op::LOGICAL_AND, "&&", parts)?),
                Type::Bool,
            )),
            (op::LOGICAL_OR, parts) => Ok((
                Expr::Or(self.junction(op::LOGICAL_OR, "||", parts)?),
                Type::Bool,
            )),
            (op::LOGICAL_NOT, [of]) => Ok((
                Expr::Not(Box::new(self.of(of, Type::Bool, "!")?)),
                Type::Bool,
            )),
            (op::CONDITIONAL, [condition, then, otherwise]) => {
                let condition = self.of(condition, Type::Bool, "the part before ?")?;
                let (then, kind) = self.expr(then)?;
                let otherwise =
                    self.of(otherwise, kind, "the part after :, as the part before it,")?;
                Ok((Expr::If(Box::new([condition, then, otherwise])), kind))
            }
            (op::NEGATE, [of]) => {
                let of = self.of(of, Type::Int, "-")?;
                Ok((
                    Expr::Arithmetic(Arithmetic::Subtract, Box::new([Expr::Int(0), of])),
                    Type::Int,
                ))
            }
            (op::IN, [needle, list]) => self.is_in(needle, list),
            ("size", [of]) => self.size(of),
            ("matches", [text, pattern]) => self.matches(text, pattern),
            ("lowerAscii", [text]) => Ok((
                Expr::Lower(Box::new(self.of(text, Type::Text, "lowerAscii()")?)),
                Type::Text,
            )),
            (name, [left, right]) => self.between(from, name, left, right),
            (name, _) => Err(self.unknown(from, name)),
        }
    }

    fn size(&mut self, of: &IdedExpr) -> Typed {
        let (sized, kind) = self.expr(of)?;
        if matches!(kind, Type::Bool | Type::Int) {
            let what = format!("a {} has no size", kind.name());
            return Err(self.wrong(of, what, CEL_REMEDY));
        }
        Ok((Expr::Size(Box::new(sized)), Type::Int))
    }

    /// A test of a text, an operator of integers, or a comparison.
    fn between(&mut self, from: &IdedExpr, name: &str, left: &IdedExpr, right: &IdedExpr) -> Typed {
        if let Some(how) = text_test(name) {
            let text = self.of(left, Type::Text, &format!("{name}()"))?;
            let part = self.of(right, Type::Text, &format!("{name}()"))?;
            return Ok((Expr::Test(how, Box::new([text, part])), Type::Bool));
        }
        if let Some((how, words)) = arithmetic(name) {
            let left = self.of(left, Type::Int, words)?;
            let right = self.of(right, Type::Int, words)?;
            return Ok((Expr::Arithmetic(how, Box::new([left, right])), Type::Int));
        }
        match compare(name) {
            Some((how, words)) => self.compare(how, words, left, right),
            None => Err(self.unknown(from, name)),
        }
    }

    fn unknown(&self, from: &IdedExpr, name: &str) -> Wrong {
        let what = format!(
            "there is no function {} with these arguments",
            name.trim_matches(['_', '@'])
        );
        self.wrong(from, what, CEL_REMEDY)
    }

    /// The parser makes pairs of `a && b && c`; one flat list is shallower and stops as early.
    fn junction(
        &mut self,
        function: &str,
        words: &str,
        parts: &[&IdedExpr],
    ) -> Result<Vec<Expr>, Wrong> {
        let mut flat = Vec::new();
        for part in parts {
            match &part.expr {
                ast::Expr::Call(call) if call.func_name == function => {
                    let below: Vec<&IdedExpr> = call.args.iter().collect();
                    flat.extend(self.junction(function, words, &below)?);
                }
                _ => flat.push(self.of(part, Type::Bool, words)?),
            }
        }
        Ok(flat)
    }

    fn is_in(&mut self, needle: &IdedExpr, list: &IdedExpr) -> Typed {
        let (value, kind) = self.expr(needle)?;
        let (all, list_kind) = self.expr(list)?;
        let Some(item) = list_kind.item() else {
            return Err(self.wrong(
                list,
                format!("in takes a list, and this is a {}", list_kind.name()),
                CEL_REMEDY,
            ));
        };
        // An empty list literal is of any kind.
        if item != kind && all != Expr::Texts(Vec::new()) {
            let what = format!("a {} is never in a {}", kind.name(), list_kind.name());
            return Err(self.wrong(needle, what, CEL_REMEDY));
        }
        Ok((Expr::In(Box::new([value, all])), Type::Bool))
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr) -> Typed {
        let text = self.of(text, Type::Text, "matches()")?;
        let Expr::Text(written) = self.of(pattern, Type::Text, "matches()")? else {
            return Err(self.wrong(
                pattern,
                "the pattern is no literal",
                "write it between quotes",
            ));
        };
        let compiled = Pattern::new(&written).map_err(|why| {
            self.wrong(
                pattern,
                format!("the pattern cannot be used: {why}"),
                "see docs.rs/regex",
            )
        })?;
        Ok((Expr::Matches(Box::new(text), compiled), Type::Bool))
    }

    fn compare(&mut self, how: Compare, words: &str, left: &IdedExpr, right: &IdedExpr) -> Typed {
        let (a, kind) = self.expr(left)?;
        let (b, other) = self.expr(right)?;
        let ordered = !matches!(how, Compare::Equal | Compare::NotEqual);
        if kind != other || (ordered && !matches!(kind, Type::Int | Type::Text)) {
            let what = format!(
                "{words} cannot compare a {} with a {}",
                kind.name(),
                other.name()
            );
            let remedy = match (kind.item(), other) {
                (Some(item), other) if item == other => "ask `VALUE in LIST`",
                _ => "see the types in docs/reference/rules.md",
            };
            return Err(self.wrong(right, what, remedy));
        }
        Ok((Expr::Compare(how, Box::new([a, b])), Type::Bool))
    }

    /// `LIST.exists(x, ...)` and `LIST.all(x, ...)`, told apart from other macros by what they
    /// begin with.
    pub(super) fn each(&mut self, from: &IdedExpr, each: &ComprehensionExpr) -> Typed {
        let how = match &each.accu_init.expr {
            ast::Expr::Literal(LiteralValue::Boolean(begin)) if *begin.inner() => Quantifier::All,
            ast::Expr::Literal(LiteralValue::Boolean(_)) => Quantifier::Exists,
            _ => {
                return Err(self.wrong(
                    from,
                    "only exists() and all() walk over lists",
                    CEL_REMEDY,
                ));
            }
        };
        let (list, kind) = self.expr(&each.iter_range)?;
        let Some(item) = kind.item() else {
            let what = format!(
                "exists() and all() take a list, and this is a {}",
                kind.name()
            );
            return Err(self.wrong(&each.iter_range, what, CEL_REMEDY));
        };
        let ast::Expr::Call(step) = &each.loop_step.expr else {
            return Err(self.unknown(from, "exists"));
        };
        let Some(condition) = step.args.last() else {
            return Err(self.unknown(from, "exists"));
        };
        self.items.push((each.iter_var.clone(), item));
        let condition = self.of(condition, Type::Bool, "the condition of exists() and all()");
        self.items.pop();
        Ok((Expr::Each(how, Box::new([list, condition?])), Type::Bool))
    }
}

fn text_test(name: &str) -> Option<TextTest> {
    match name {
        "contains" => Some(TextTest::Contains),
        "startsWith" => Some(TextTest::StartsWith),
        "endsWith" => Some(TextTest::EndsWith),
        _ => None,
    }
}

fn arithmetic(name: &str) -> Option<(Arithmetic, &'static str)> {
    match name {
        op::ADD => Some((Arithmetic::Add, "+")),
        op::SUBSTRACT => Some((Arithmetic::Subtract, "-")),
        op::MULTIPLY => Some((Arithmetic::Multiply, "*")),
        op::DIVIDE => Some((Arithmetic::Divide, "/")),
        op::MODULO => Some((Arithmetic::Modulo, "%")),
        _ => None,
    }
}

fn compare(name: &str) -> Option<(Compare, &'static str)> {
    match name {
        op::EQUALS => Some((Compare::Equal, "==")),
        op::NOT_EQUALS => Some((Compare::NotEqual, "!=")),
        op::LESS => Some((Compare::Less, "<")),
        op::LESS_EQUALS => Some((Compare::LessOrEqual, "<=")),
        op::GREATER => Some((Compare::Greater, ">")),
        op::GREATER_EQUALS => Some((Compare::GreaterOrEqual, ">=")),
        _ => None,
    }
}
