//! The shape of a text, judged on its tokens before anything recurses over them.
//!
//! `1 + 1 + …` parses in a loop, to a tree as deep as it is long; printing, cloning and even dropping such a tree
//! recurses. So its depth is bounded here, from above: half the tokens of a chain, and what is nested in it.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::location;
use crate::limits::Limits;
use crate::violation::{Violation, ViolationCode};

/// CASE within CASE. The parser reads one that has a mistake again as a name, and so all within it twice.
const CASES: usize = 8;

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
    let (mut set_operations, mut before) = (0, Before::default());
    for token in tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))) {
        let keyword = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        let in_case = levels.last().is_some_and(|l| l.case);
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
            (_, Keyword::END) if in_case => close(&mut levels, true, token.span.start)?,
            _ => {
                if matches!(
                    keyword,
                    Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS
                ) {
                    set_operations += 1;
                }
                let ends = before.chain_ends_with(&token.token, keyword, in_case);
                if let Some(level) = levels.last_mut() {
                    if ends {
                        level.next_chain();
                    } else {
                        level.tokens += 1;
                    }
                }
            }
        }
        before.note(&token.token, keyword);
        let cases = levels.iter().rev().take_while(|l| l.case).count();
        let deepest = levels.last().map_or(0, Level::depth);
        // A chain has two tokens or more for each operator, so this lets pass what the walk over the tree refuses.
        if set_operations > limits.depth
            || levels.len() > limits.depth
            || cases > CASES
            || deepest > 2 * limits.depth
        {
            let message = format!(
                "The statement is nested, or chains operators, deeper than {}, or CASE deeper than {CASES}.",
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
        .find_map(|level| Some((level.case, level.opened_at?)))
    {
        None => Ok(()),
        Some((case, at)) => Err(unclosed(case, at)),
    }
}

fn unclosed(case: bool, at: Location) -> Box<Violation> {
    let message = if case {
        "This CASE has no END; a name is quoted."
    } else {
        "This parenthesis is never closed."
    };
    Box::new(Violation::new(ViolationCode::Syntax, "parse", message).at(location(at)))
}

/// What the tokens before one were.
#[derive(Debug, Default)]
struct Before {
    /// The keywords of the last one and of the one before it.
    keywords: [Option<Keyword>; 2],
    /// Whether the last one can be the end of an operand, and cannot be an operator that another operand follows.
    operand: bool,
    /// Whether the last one is a `*` that multiplies nothing.
    wildcard: bool,
    /// Whether the last one is a comma or a point.
    separator: bool,
}

impl Before {
    /// Whether an expression cannot go on here. Words of clauses are names too, `by + by`; but no name follows the end
    /// of an operand.
    fn chain_ends_with(&self, token: &Token, keyword: Keyword, in_case: bool) -> bool {
        use Keyword::{
            ALL, ANTI, BY, CROSS, DISTINCT, ELSE, EXCEPT, FROM, FULL, GROUP, HAVING, INNER, INTERSECT, JOIN,
            LEFT, MINUS, NATURAL, ORDER, OUTER, PARTITION, RIGHT, SELECT, SEMI, THEN, UNION, WHEN, WHERE,
        };
        let [Some(last), earlier] = self.keywords else {
            return matches!(token, Token::Comma | Token::SemiColon);
        };
        let set = |word: Keyword| matches!(word, UNION | INTERSECT | EXCEPT | MINUS);
        match keyword {
            _ if matches!(token, Token::Comma | Token::SemiColon) => true,
            FROM => self.operand || self.wildcard,
            WHERE | HAVING => self.operand,
            WHEN | THEN | ELSE => self.operand && in_case,
            BY => matches!(last, GROUP | ORDER | PARTITION),
            JOIN => {
                let kind = matches!(
                    last,
                    INNER | LEFT | RIGHT | FULL | OUTER | CROSS | NATURAL | SEMI | ANTI
                );
                self.operand || kind
            }
            SELECT => self.operand || set(last) || matches!(last, ALL | DISTINCT) && earlier.is_some_and(set),
            _ => false,
        }
    }

    fn note(&mut self, token: &Token, keyword: Keyword) {
        let before_wildcard = matches!(self.keywords[0], Some(Keyword::SELECT)) || self.separator;
        self.wildcard = matches!(token, Token::Mul) && before_wildcard;
        self.separator = matches!(token, Token::Comma | Token::Period);
        self.operand = match token {
            Token::RParen | Token::Number(_, _) | Token::SingleQuotedString(_) => true,
            Token::Word(_) => matches!(
                keyword,
                Keyword::NoKeyword
                    | Keyword::END
                    | Keyword::NULL
                    | Keyword::TRUE
                    | Keyword::FALSE
                    | Keyword::YEAR
                    | Keyword::MONTH
                    | Keyword::DAY
            ),
            _ => false,
        };
        self.keywords = [Some(keyword), self.keywords[0]];
    }
}

fn close(levels: &mut Vec<Level>, case: bool, at: Location) -> Result<(), Box<Violation>> {
    if let Some(Level {
        case: true,
        opened_at: Some(at),
        ..
    }) = levels.last().filter(|_| !case)
    {
        return Err(unclosed(true, *at));
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
