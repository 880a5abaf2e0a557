//! Who is calling, and what may they do: tokens verified and minted, and the permission table.
//!
//! Two kinds of token, which can never be taken for one another: an OIDC bearer token of an
//! [`Issuer`] from the configuration says which person of which organization calls from outside
//! ([`OidcVerifier`]); an internal token says which of our services calls, and for whom
//! ([`InternalVerifier`]). The one rule: what a token claims counts only as far as the
//! configuration lets its issuer claim it.

mod development;
mod fault;
mod internal;
mod issuer;
mod jwks;
mod keys;
mod oidc;
mod permission;
mod signing_key;
mod verified;

pub use development::{DevelopmentClaims, DevelopmentIssuer};
pub use fault::TokenFault;
pub use internal::{
    CALLS, InternalCaller, InternalSigner, InternalVerifier, TOKEN_LIFETIME_SECONDS, TrustedService,
    is_internal_token,
};
pub use issuer::{Issuer, KeySource, Organizations};
pub use oidc::{ExternalCaller, OidcVerifier};
pub use permission::{PERMISSIONS, Rule, authorize};
pub use signing_key::{KeyError, SigningKey, write_once};

/// By how many seconds the clocks of an issuer and of this machine may differ.
pub const CLOCK_SKEW_SECONDS: i64 = 30;

/// Longer credentials are refused unread. An OIDC token has one or two kilobytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Seconds since 1970, as tokens count time.
fn unix_now() -> i64 {
    chrono::Utc::now().timestamp()
}
