//! CEL text -> a checked condition. The `cel` crate parses; names and types are checked here,
//! against the list of fields.
//!
//! Refuses what our values do not have (floats, maps, time stamps, unknown functions), each at its
//! own place.

use crate::detect::rule::{
    Arithmetic, Compare, Condition, Expr, FIELDS, Field, Pattern, Quantifier, Scope,
};
use crate::detect::rule::{TextTest, Type};
use cel::IdedExpr;
use cel::common::ast::{
    self, CallExpr, ComprehensionExpr, LiteralValue, SourceInfo, operators as op,
};
use smol_str::SmolStr;

/// Most bytes of one condition.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Deepest nesting that is parsed.
const PARSE_DEPTH_MAX: u16 = 48;
/// Deepest nesting that is evaluated.
const DEPTH_MAX: usize = 64;

/// What is wrong with a condition, and where: characters from its beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub at: usize,
    pub what: String,
    pub remedy: String,
}

/// Compiles a condition over the fields of `scope`.
pub(super) fn compile(text: &str, scope: Scope) -> Result<Condition, Wrong> {
    let wrong = |at, what: String, remedy: &str| Wrong {
        at,
        what,
        remedy: remedy.to_owned(),
    };
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("the condition is longer than {TEXT_BYTES_MAX} bytes");
        return Err(wrong(0, what, "make several rules of it"));
    }
    let parser = cel::parser::Parser::new()
        .max_recursion_depth(PARSE_DEPTH_MAX)
        .error_recovery_limit(4);
    let parsed = parser.parse_with_source_info(text).map_err(|errors| {
        let Some(first) = errors.errors.first() else {
            return wrong(0, "it is no CEL".to_owned(), CEL_REMEDY);
        };
        let what = first.msg.lines().next().unwrap_or_default().to_owned();
        wrong(char_at(text, first.pos), what, CEL_REMEDY)
    })?;
    let mut checker = Checker {
        scope,
        source: &parsed.1,
        items: Vec::new(),
    };
    let (expr, kind) = checker.expr(&parsed.0)?;
    if kind != Type::Bool {
        return Err(wrong(
            0,
            format!("the condition is a {}, not a bool", kind.name()),
            "compare it with something",
        ));
    }
    if depth(&expr) > DEPTH_MAX {
        return Err(wrong(
            0,
            "the condition is nested too deeply".to_owned(),
            "make several rules of it",
        ));
    }
    Ok(Condition::new(expr))
}

const CEL_REMEDY: &str = "see the operators and functions in docs/reference/rules.md";

/// Line from 1 and column from 0 or 1, as the parser counts -> characters from the beginning.
fn char_at(text: &str, (line, column): (isize, isize)) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(|l| l.chars().count())
        .sum();
    before + usize::try_from(column - 1).unwrap_or(0)
}

fn depth(expr: &Expr) -> usize {
    let deepest = |parts: &[Expr]| parts.iter().map(depth).max().unwrap_or(0);
    1 + match expr {
        Expr::Not(of)
        | Expr::Matches(of, _)
        | Expr::SameFolded(of, _)
        | Expr::Size(of)
        | Expr::Lower(of) => depth(of),
        Expr::And(parts) | Expr::Or(parts) => deepest(parts),
        Expr::If(parts) => deepest(&**parts),
        Expr::Compare(_, parts)
        | Expr::In(parts)
        | Expr::Test(_, parts)
        | Expr::Arithmetic(_, parts)
        | Expr::Each(_, parts) => deepest(&**parts),
        Expr::Bool(_)
        | Expr::Int(_)
        | Expr::Text(_)
        | Expr::Texts(_)
        | Expr::Ints(_)
        | Expr::Field(_)
        | Expr::Item(_) => 0,
    }
}

type Typed = Result<(Expr, Type), Wrong>;

struct Checker<'a> {
    scope: Scope,
    source: &'a SourceInfo,
    /// Variables of the quantifiers around, the outermost first.
    items: Vec<(String, Type)>,
}

impl Checker<'_> {
    fn wrong(&self, at: &IdedExpr, what: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        let at = self.first(at);
        Wrong {
            at,
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Where an expression begins: the parser places `a.b` and `a == b` at their operators.
    fn first(&self, expr: &IdedExpr) -> usize {
        let own = self
            .source
            .offset_for(expr.id)
            .map(|(start, _)| start as usize);
        let below = match &expr.expr {
            ast::Expr::Select(select) => Some(self.first(&select.operand)),
            ast::Expr::Call(call) => call
                .target
                .as_deref()
                .into_iter()
                .chain(call.args.first())
                .map(|e| self.first(e))
                .min(),
            _ => None,
        };
        own.into_iter().chain(below).min().unwrap_or(0)
    }

    fn expr(&mut self, from: &IdedExpr) -> Typed {
        match &from.expr {
            ast::Expr::Literal(literal) => self.literal(from, literal),
            ast::Expr::Ident(_) | ast::Expr::Select(_) => self.named(from),
            ast::Expr::Call(call) => self.call(from, call),
            ast::Expr::List(list) => self.list(from, &list.elements),
            ast::Expr::Comprehension(each) => self.each(from, each),
            ast::Expr::Map(_) | ast::Expr::Struct(_) => {
                Err(self.wrong(from, "there are no maps and messages here", CEL_REMEDY))
            }
            ast::Expr::Unspecified => Err(self.wrong(from, "something is missing", CEL_REMEDY)),
        }
    }

    fn literal(&self, from: &IdedExpr, literal: &LiteralValue) -> Typed {
        Ok(match literal {
            LiteralValue::Boolean(yes) => (Expr::Bool(*yes.inner()), Type::Bool),
            LiteralValue::Int(n) => (Expr::Int(*n.inner()), Type::Int),
            LiteralValue::String(text) => (Expr::Text(text.inner().into()), Type::Text),
            LiteralValue::UInt(_) | LiteralValue::Double(_) => {
                return Err(self.wrong(
                    from,
                    "numbers are whole here",
                    "write it as 5, without u, point or exponent",
                ));
            }
            LiteralValue::Bytes(_) => {
                return Err(self.wrong(from, "there are no bytes here", "write \"text\""));
            }
            LiteralValue::Null => {
                return Err(self.wrong(
                    from,
                    "there is no null here",
                    "compare with \"\" , 0 or false",
                ));
            }
        })
    }

    /// A variable of a quantifier, or a field such as `event.verb`.
    fn named(&self, from: &IdedExpr) -> Typed {
        let mut parts = Vec::new();
        let mut at = from;
        loop {
            match &at.expr {
                ast::Expr::Ident(name) => {
                    parts.push(name.as_str());
                    break;
                }
                ast::Expr::Select(select) => {
                    if select.test {
                        let remedy = "compare it with \"\", 0 or false";
                        return Err(self.wrong(
                            from,
                            "every field is always there, so has() says nothing",
                            remedy,
                        ));
                    }
                    parts.push(select.field.as_str());
                    at = &select.operand;
                }
                _ => return Err(self.wrong(from, "there are no fields of this", CEL_REMEDY)),
            }
        }
        parts.reverse();
        if let [name] = parts.as_slice()
            && let Some(depth) = self.items.iter().rposition(|(item, _)| item == name)
        {
            return Ok((
                Expr::Item(u8::try_from(depth).unwrap_or(u8::MAX)),
                self.items[depth].1,
            ));
        }
        let name = parts.join(".");
        match Field::named(&name) {
            Some(field) if field.info().scope() == self.scope => {
                Ok((Expr::Field(field), field.info().kind))
            }
            Some(_) => {
                let place = match self.scope {
                    Scope::Event => "silences only, which look at incidents",
                    Scope::Incident => "rules and exemptions only, which look at events",
                };
                let what = format!("the field {name} is for {place}");
                Err(self.wrong(from, what, "see docs/reference/rules.md"))
            }
            None => Err(self.wrong(
                from,
                format!("there is no field {name}"),
                self.suggestion(&name),
            )),
        }
    }

    fn suggestion(&self, name: &str) -> String {
        let last = name.rsplit('.').next().unwrap_or(name);
        let fields = FIELDS.iter().filter(|f| f.scope() == self.scope);
        let near =
            fields.min_by_key(|f| distance(f.name.rsplit('.').next().unwrap_or(f.name), last));
        match near.filter(|f| distance(f.name.rsplit('.').next().unwrap_or(f.name), last) <= 2) {
            Some(field) => format!(
                "did you mean {}? All stand in docs/reference/rules.md",
                field.name
            ),
            None => "all fields stand in docs/reference/rules.md".to_owned(),
        }
    }

    fn of(&mut self, from: &IdedExpr, wanted: Type, place: &str) -> Result<Expr, Wrong> {
        let (expr, kind) = self.expr(from)?;
        if kind == wanted {
            return Ok(expr);
        }
        let what = format!(
            "{place} takes a {}, and this is a {}",
            wanted.name(),
            kind.name()
        );
        Err(self.wrong(from, what, CEL_REMEDY))
    }

    fn list(&mut self, from: &IdedExpr, elements: &[IdedExpr]) -> Typed {
        let (mut texts, mut ints) = (Vec::<SmolStr>::new(), Vec::new());
        for element in elements {
            match self.expr(element)?.0 {
                Expr::Text(text) => texts.push(text),
                Expr::Int(n) => ints.push(n),
                _ => {
                    return Err(self.wrong(
                        element,
                        "a list holds texts or numbers as they are",
                        "use || instead",
                    ));
                }
            }
        }
        match (texts.is_empty(), ints.is_empty()) {
            (false, false) => {
                Err(self.wrong(from, "the list mixes texts and numbers", "make two of it"))
            }
            (_, true) => Ok((Expr::Texts(texts), Type::Texts)),
            (true, false) => Ok((Expr::Ints(ints), Type::Ints)),
        }
    }

    fn call(&mut self, from: &IdedExpr, call: &CallExpr) -> Typed {
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
            ("size", [of]) => {
                let (of, kind) = self.expr(of)?;
                if matches!(kind, Type::Bool | Type::Int) {
                    return Err(self.wrong(
                        args[0],
                        format!("a {} has no size", kind.name()),
                        CEL_REMEDY,
                    ));
                }
                Ok((Expr::Size(Box::new(of)), Type::Int))
            }
            ("matches", [text, pattern]) => self.matches(text, pattern),
            ("lowerAscii", [text]) => Ok((
                Expr::Lower(Box::new(self.of(text, Type::Text, "lowerAscii()")?)),
                Type::Text,
            )),
            (name, [left, right]) => {
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
            (name, _) => Err(self.unknown(from, name)),
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
    fn each(&mut self, from: &IdedExpr, each: &ComprehensionExpr) -> Typed {
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

/// Insertions, deletions and replacements from one word to the other.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            corner = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
