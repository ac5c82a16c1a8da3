//! THE list of detectors, in the order in which they judge.

mod anonymous_access;
mod credential_in_two_places;
mod dangerous_request;
mod deleted_pod_token;
mod enumeration;
mod legacy_token;
mod minted_credential;
mod sensitive_operation;
mod token_secret_made;
mod unauthenticated_burst;
mod unexpected_agent;
mod unexpected_operation;
mod unknown_origin;

pub use legacy_token::legacy_words;
pub use minted_credential::{FORGED, is_forged, issuer_words};

use super::Detector;

macro_rules! registry {
    ($($module:ident),* $(,)?) => {
        /// Every detector, in the order in which they judge.
        pub const ALL: &[Detector] = &[$(Detector {
            meta: &$module::META,
            judge: $module::judge,
            source: include_str!(concat!(stringify!($module), ".rs")),
        }),*];
    };
}

registry![
    credential_in_two_places,
    deleted_pod_token,
    minted_credential,
    legacy_token,
    token_secret_made,
    sensitive_operation,
    dangerous_request,
    anonymous_access,
    enumeration,
    unauthenticated_burst,
    unknown_origin,
    unexpected_agent,
    unexpected_operation,
];
