//! The gRPC services: context, authorize, parse, do, reply, in this order and nothing else.

mod mutation;
mod principal;
mod role;
mod tenant;
mod user;

pub(crate) use principal::PrincipalRpc;
pub(crate) use tenant::Tenants;
pub(crate) use user::Users;
