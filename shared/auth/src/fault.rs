//! What is wrong with a bearer token, for answers that tell it apart.

use std::fmt;

use datacovey_error::Error;

/// What is wrong with the credentials of a call; the cause of an UNAUTHENTICATED whose message says more.
///
/// Its text is that of the REST API, which says it to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// There is none, or none of this scheme.
    Missing,
    /// It has no character.
    Empty,
    /// It has not three parts, but so many.
    Parts(usize),
    /// Header or signature cannot be read, or the signature is not of this token.
    Signature,
    /// Its issuer is not trusted or has no such key.
    Key,
    /// It is signed by an algorithm that is not accepted.
    Algorithm,
    Expired,
    /// It begins later (`nbf`).
    NotYetValid,
    /// It is issued later (`iat`).
    IssuedInFuture,
    /// It is for somebody else.
    Audience,
    /// `aud` is neither text nor a list of texts.
    AudienceType,
    /// This claim has to be a number.
    NotANumber(&'static str),
    /// The claims are no JSON object, or not those of an access token.
    Claims,
}

impl TokenFault {
    /// What was found to be wrong with the credentials, if it is one of these.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        std::error::Error::source(error)?.downcast_ref().copied()
    }

    /// Whether the token is one, and what it claims does not hold.
    #[must_use]
    pub const fn is_of_claims(self) -> bool {
        !matches!(
            self,
            Self::Missing | Self::Empty | Self::Parts(_) | Self::Signature | Self::Key | Self::Algorithm
        )
    }

    /// UNAUTHENTICATED because of this; the message says it in the words of gRPC.
    #[must_use]
    pub fn error(self, message: impl Into<String>) -> Error {
        Error::credentials_invalid(message).caused_by(self)
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Anonymous access is disabled",
            Self::Empty => "Empty JWT is sent in Authorization header",
            Self::Parts(count) => return write!(f, "Expected 3 parts in JWT; got {count}"),
            Self::Signature => "JWT cryptographic operation failed",
            Self::Key => "No suitable key or wrong key type",
            Self::Algorithm => "Wrong or unsupported encoding algorithm",
            Self::Expired => "JWT expired",
            Self::NotYetValid => "JWT not yet valid",
            Self::IssuedInFuture => "JWT issued at future",
            Self::Audience => "JWT not in audience",
            Self::AudienceType => "The JWT 'aud' claim must be a string or an array of strings",
            Self::NotANumber(claim) => return write!(f, "The JWT '{claim}' claim must be a number"),
            Self::Claims => "Parsing claims failed",
        })
    }
}

impl std::error::Error for TokenFault {}
