//! The words of a filter.

/// A word of a filter, and where it begins: in characters, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) word: Word,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Open,
    Close,
    /// `=`, `!=`, `<`, `<=`, `>`, `>=` or `:`.
    Comparator(&'static str),
    /// Unquoted: a field, a value or a keyword.
    Plain(String),
    /// Within single or double quotes, which are gone; backslashes stay before `*` and themselves alone.
    Quoted(String),
    /// `-` before a term.
    Minus,
}

/// Splits a filter into its words; what is none is said with its place.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().enumerate().map(|(at, it)| (at + 1, it)).peekable();
    while let Some((at, first)) = rest.next() {
        let word = match first {
            _ if first.is_whitespace() => continue,
            '(' => Word::Open,
            ')' => Word::Close,
            ':' => Word::Comparator(":"),
            '=' => Word::Comparator("="),
            '<' | '>' | '!' => {
                let or_equal = rest.next_if(|(_, it)| *it == '=').is_some();
                Word::Comparator(match (first, or_equal) {
                    ('<', false) => "<",
                    ('<', true) => "<=",
                    ('>', false) => ">",
                    ('>', true) => ">=",
                    ('!', true) => "!=",
                    _ => return Err(format!("at {at}: \"!\" stands in \"!=\" alone; NOT negates")),
                })
            }
            '"' | '\'' => {
                let mut quoted = String::new();
                loop {
                    match rest.next() {
                        None => return Err(format!("at {at}: the quotation does not end")),
                        Some((_, it)) if it == first => break,
                        Some((_, '\\')) => match rest.next() {
                            Some((_, it @ ('\\' | '*'))) => quoted.extend(['\\', it]),
                            Some((_, it)) => quoted.push(it),
                            None => return Err(format!("at {at}: the quotation does not end")),
                        },
                        Some((_, it)) => quoted.push(it),
                    }
                }
                Word::Quoted(quoted)
            }
            '-' if !rest.peek().is_some_and(|(_, it)| it.is_ascii_digit()) => Word::Minus,
            _ if is_plain(first) => {
                let mut plain = String::from(first);
                while let Some((_, it)) = rest.next_if(|(_, it)| is_plain(*it)) {
                    plain.push(it);
                }
                Word::Plain(plain)
            }
            odd => {
                return Err(format!(
                    "at {at}: {odd:?} is no part of a filter; put texts in quotes"
                ));
            }
        };
        tokens.push(Token { at, word });
    }
    Ok(tokens)
}

fn is_plain(it: char) -> bool {
    it.is_alphanumeric() || matches!(it, '_' | '.' | '-' | '+' | '*' | '@' | '/')
}
