//! AIP-160 (<https://google.aip.dev/160>): terms joined by AND, OR (which binds closer) and blanks, which
//! mean AND; NOT or `-` before a term; parentheses. A term is a field, a comparator and a value: `=` (where
//! `*` in a text stands for any characters), `!=`, `<`, `<=`, `>`, `>=`, and `:`, which is "contains" for a
//! text, and with `*` alone "is set" for any field. Bare words and functions are refused: which fields
//! they would search is not said.

use datacovey_error::{Violation, Violations};

use super::tokens::{Token, Word, tokens};
use super::{Comparison, Filter};
use crate::field::{Field, Fields, Kind, shortened};

const MAX_LENGTH: usize = 4096;
/// Nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;
const MAX_TERMS: usize = 100;

impl Filter {
    /// Reads a filter over these fields; an empty text is no filter. Notes what is wrong with it under
    /// the field `filter`: the first fault of its grammar, or all of its terms'.
    pub fn parse(text: &str, fields: &Fields, violations: &mut Violations) -> Option<Self> {
        let mut refuse = |why: String| violations.push(Violation::new("filter", why));
        if text.chars().nth(MAX_LENGTH).is_some() {
            refuse(format!("has more than {MAX_LENGTH} characters"));
            return None;
        }
        let mut parser = match tokens(text) {
            Ok(tokens) => Parser {
                tokens: tokens.into_iter().peekable(),
                fields,
                terms: 0,
                wrong: Vec::new(),
            },
            Err(why) => {
                refuse(why);
                return None;
            }
        };
        if parser.tokens.peek().is_none() {
            return Some(Self::everything());
        }
        match parser.whole() {
            Err(why) => {
                refuse(why);
                None
            }
            Ok(_) if !parser.wrong.is_empty() => {
                parser.wrong.into_iter().for_each(refuse);
                None
            }
            Ok(filter) => Some(filter),
        }
    }
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    fields: &'a Fields,
    terms: usize,
    /// Of terms: parsing goes on after them.
    wrong: Vec<String>,
}

type Parsed = Result<Filter, String>;

impl Parser<'_> {
    fn whole(&mut self) -> Parsed {
        let filter = self.all(0)?;
        match self.tokens.next() {
            None => Ok(filter),
            Some(token) => Err(format!(
                "at {}: a parenthesis closes that was not opened",
                token.at
            )),
        }
    }

    /// Terms joined by AND or by nothing.
    fn all(&mut self, depth: usize) -> Parsed {
        if depth > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        let mut parts = vec![self.any(depth)?];
        loop {
            match self.tokens.peek().map(|it| &it.word) {
                None | Some(Word::Close) => break,
                Some(Word::Plain(and)) if and == "AND" => drop(self.tokens.next()),
                _ => {}
            }
            parts.push(self.any(depth)?);
        }
        Ok(Filter::all(parts))
    }

    /// Terms joined by OR.
    fn any(&mut self, depth: usize) -> Parsed {
        let mut parts = vec![self.term(depth)?];
        while self.next_is("OR") {
            parts.push(self.term(depth)?);
        }
        Ok(Filter::any(parts))
    }

    fn next_is(&mut self, keyword: &str) -> bool {
        let is = |token: &Token| matches!(&token.word, Word::Plain(word) if word == keyword);
        self.tokens.next_if(is).is_some()
    }

    fn term(&mut self, depth: usize) -> Parsed {
        let Some(Token { at, word }) = self.tokens.next() else {
            return Err("ends where a term is expected".to_owned());
        };
        match word {
            Word::Minus => Ok(self.negated(depth)?.not()),
            Word::Plain(not) if not == "NOT" => Ok(self.negated(depth)?.not()),
            Word::Open => {
                let inner = self.all(depth + 1)?;
                match self.tokens.next() {
                    Some(Token {
                        word: Word::Close, ..
                    }) => Ok(inner),
                    _ => Err(format!("at {at}: the parenthesis is not closed")),
                }
            }
            Word::Plain(name) if !matches!(name.as_str(), "AND" | "OR") => self.comparison(at, &name),
            _ => Err(format!("at {at}: a field, NOT or a parenthesis is expected")),
        }
    }

    fn negated(&mut self, depth: usize) -> Parsed {
        if depth > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        self.term(depth + 1)
    }

    fn comparison(&mut self, at: usize, name: &str) -> Parsed {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(format!("has more than {MAX_TERMS} comparisons"));
        }
        let comparator = match self.tokens.next() {
            Some(Token {
                word: Word::Comparator(it),
                ..
            }) => it,
            _ => {
                return Err(format!(
                    "at {at}: a comparator (= != < <= > >= :) is expected after {:?}",
                    shortened(name)
                ));
            }
        };
        let (value, pattern) = match self.tokens.next().map(|it| it.word) {
            Some(Word::Plain(value)) => (value.clone(), value.replace('\\', "\\\\")),
            Some(Word::Quoted(quoted)) => (unescaped(&quoted), quoted),
            _ => {
                return Err(format!(
                    "at {at}: a value is expected after {comparator:?}; put texts in quotes"
                ));
            }
        };
        match self.meaning(name, comparator, &value, &pattern) {
            Ok(filter) => Ok(filter),
            Err(why) => {
                self.wrong.push(format!("at {at}: {why}"));
                Ok(Filter::everything())
            }
        }
    }

    /// `pattern` is the value with a backslash before each `*` and backslash that stands for itself.
    fn meaning(&self, name: &str, comparator: &str, value: &str, pattern: &str) -> Parsed {
        let Some(field) = self.fields.all.iter().find(|it| it.name == name).copied() else {
            let known: Vec<_> = self.fields.all.iter().map(|it| it.name).collect();
            return Err(format!(
                "there is no field {:?}; those that there are: {}",
                shortened(name),
                known.join(", ")
            ));
        };
        let read = || field.read(value).map_err(|why| format!("{name} {why}"));
        let compare = |comparison| Ok(Filter::Compare(field, comparison, read()?));
        let is_ordered = matches!(field.kind, Kind::Text | Kind::Time | Kind::Id);
        match comparator {
            ":" if value == "*" && pattern == "*" => Ok(Filter::IsNull(field).not()),
            ":" if field.kind == Kind::Text => {
                Ok(Filter::Like(field, format!("%{}%", like(field, pattern)?)))
            }
            "=" | "!=" if field.kind == Kind::Text && has_wildcard(pattern) => {
                let matches = Filter::Like(field, like(field, pattern)?);
                Ok(if comparator == "=" { matches } else { matches.not() })
            }
            "=" | ":" => compare(Comparison::Equal),
            "!=" => Ok(compare(Comparison::Equal)?.not()),
            _ if !is_ordered => Err(format!("{name} has no order; compare it with = or !=")),
            "<" => compare(Comparison::Less),
            "<=" => compare(Comparison::LessOrEqual),
            ">" => compare(Comparison::Greater),
            _ => compare(Comparison::GreaterOrEqual),
        }
    }
}

/// A `*` that no backslash precedes.
fn has_wildcard(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|it| {
        let wild = it == '*' && !escaped;
        escaped = it == '\\' && !escaped;
        wild
    })
}

fn unescaped(pattern: &str) -> String {
    let mut chars = pattern.chars();
    let mut text = String::with_capacity(pattern.len());
    while let Some(it) = chars.next() {
        text.push(if it == '\\' {
            chars.next().unwrap_or(it)
        } else {
            it
        });
    }
    text
}

/// The pattern in the words of SQL.
fn like(field: Field, pattern: &str) -> Result<String, String> {
    let mut chars = pattern.chars();
    let mut like = String::with_capacity(pattern.len());
    while let Some(it) = chars.next() {
        match it {
            '\0' => return Err(format!("{} takes a text without the NUL character", field.name)),
            '*' => like.push('%'),
            '\\' => match chars.next() {
                Some('*') => like.push('*'),
                _ => like.push_str("\\\\"),
            },
            '%' | '_' => like.extend(['\\', it]),
            _ => like.push(it),
        }
    }
    Ok(like)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
