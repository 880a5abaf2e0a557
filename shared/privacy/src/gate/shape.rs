//! The shape of a text, judged on its tokens before anything recurses over them.
//!
//! `1 + 1 + …` parses in a loop, to a tree as deep as it is long; printing, cloning and even dropping such a tree
//! recurses. So its depth is bounded here, from above: half the tokens of a chain, and what is nested in it.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::location;
use crate::limits::Limits;
use crate::violation::{Violation, ViolationCode};

/// One level of parentheses, or of CASE.
#[derive(Debug, Default)]
struct Level {
    opened_at: Option<Location>,
    case: bool,
    /// Tokens of the chain that is being read, and depth of what is nested in it.
    tokens: usize,
    nested: usize,
    /// Depth of the deepest chain that was read before it on this level.
    deepest: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.deepest.max(self.tokens / 2 + self.nested)
    }

    fn next_chain(&mut self) {
        self.deepest = self.depth();
        (self.tokens, self.nested) = (0, 0);
    }
}

/// Refuses a text whose syntax tree would be too deep, or whose parentheses do not match: where one closes too
/// many, the parser would stop early and speak of something else.
pub(super) fn check(tokens: &[TokenWithSpan], limits: &Limits) -> Result<(), Box<Violation>> {
    let mut levels = vec![Level::default()];
    let (mut set_operations, mut before) = (0, Keyword::NoKeyword);
    for token in tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))) {
        let keyword = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        match (&token.token, keyword) {
            (Token::LParen, _) | (_, Keyword::CASE) => {
                let case = keyword == Keyword::CASE;
                levels.push(Level {
                    opened_at: Some(token.span.start),
                    case,
                    ..Level::default()
                });
            }
            (Token::RParen, _) => close(&mut levels, false, token.span.start)?,
            // END may also be a name; only a CASE can be ended.
            (_, Keyword::END) if levels.last().is_some_and(|l| l.case) => {
                close(&mut levels, true, token.span.start)?
            }
            (Token::Comma | Token::SemiColon, _)
            | (_, Keyword::SELECT | Keyword::WHERE | Keyword::JOIN | Keyword::HAVING | Keyword::BY) => {
                levels
                    .iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(Level::next_chain);
            }
            // IS DISTINCT FROM goes on with the chain.
            (_, Keyword::FROM) if before != Keyword::DISTINCT => {
                levels
                    .iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(Level::next_chain);
            }
            (_, Keyword::WHEN | Keyword::THEN | Keyword::ELSE) if levels.last().is_some_and(|l| l.case) => {
                levels
                    .iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(Level::next_chain);
            }
            (_, Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS) => {
                set_operations += 1
            }
            _ => levels
                .iter_mut()
                .next_back()
                .into_iter()
                .for_each(|level| level.tokens += 1),
        }
        before = keyword;
        // A chain has two tokens or more for each operator, so this lets pass what the walk over the tree refuses.
        if set_operations > limits.depth || levels.last().is_some_and(|l| l.depth() > 2 * limits.depth) {
            let message = format!(
                "The statement is nested, or chains operators, deeper than {}.",
                limits.depth
            );
            let violation = Violation::new(ViolationCode::TooLarge, "limits", message);
            return Err(Box::new(
                violation.rewrite("IN (…) for a chain of OR; WITH queries for deep nesting"),
            ));
        }
    }
    match levels
        .iter()
        .skip(1)
        .find(|level| !level.case)
        .and_then(|level| level.opened_at)
    {
        None => Ok(()),
        Some(at) => {
            let message = "This parenthesis is never closed.";
            Err(Box::new(
                Violation::new(ViolationCode::Syntax, "parse", message).at(location(at)),
            ))
        }
    }
}

fn close(levels: &mut Vec<Level>, case: bool, at: Location) -> Result<(), Box<Violation>> {
    // A CASE without END within parentheses is the parser's to tell.
    while !case && levels.len() > 1 && levels.last().is_some_and(|l| l.case) {
        fold(levels);
    }
    if levels.len() < 2 {
        let message = "This parenthesis closes nothing.";
        return Err(Box::new(
            Violation::new(ViolationCode::Syntax, "parse", message).at(location(at)),
        ));
    }
    fold(levels);
    Ok(())
}

/// What was nested counts into the chain around it.
fn fold(levels: &mut Vec<Level>) {
    let inner = levels.pop().map_or(0, |level| level.depth() + 1);
    if let Some(outer) = levels.last_mut() {
        outer.nested = outer.nested.max(inner);
        outer.tokens += 1;
    }
}
