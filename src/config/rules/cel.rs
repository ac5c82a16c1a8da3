//! CEL text -> a checked condition. The `cel` crate parses; names and types are checked here,
//! against the list of fields.
//!
//! Refuses what our values do not have (floats, maps, time stamps, unknown functions), each at its
//! own place.

use crate::detect::rule::Type;
use crate::detect::rule::{Condition, Expr, FIELDS, Field, Scope};
use cel::IdedExpr;
use cel::common::ast::{self, LiteralValue, SourceInfo};
use smol_str::SmolStr;
use strsim::levenshtein;

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

pub(super) const CEL_REMEDY: &str = "see the operators and functions in docs/reference/rules.md";

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

pub(super) type Typed = Result<(Expr, Type), Wrong>;

pub(super) struct Checker<'a> {
    scope: Scope,
    source: &'a SourceInfo,
    /// Variables of the quantifiers around, the outermost first.
    pub(super) items: Vec<(String, Type)>,
}

impl Checker<'_> {
    pub(super) fn wrong(
        &self,
        at: &IdedExpr,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Wrong {
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

    pub(super) fn expr(&mut self, from: &IdedExpr) -> Typed {
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
            fields.min_by_key(|f| levenshtein(f.name.rsplit('.').next().unwrap_or(f.name), last));
        match near.filter(|f| levenshtein(f.name.rsplit('.').next().unwrap_or(f.name), last) <= 2) {
            Some(field) => format!(
                "did you mean {}? All stand in docs/reference/rules.md",
                field.name
            ),
            None => "all fields stand in docs/reference/rules.md".to_owned(),
        }
    }

    pub(super) fn of(&mut self, from: &IdedExpr, wanted: Type, place: &str) -> Result<Expr, Wrong> {
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
}
