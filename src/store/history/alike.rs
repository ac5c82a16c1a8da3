//! What an earlier row had, by number: the next row of the same credential, and of the same URI, mostly has the same,
//! and a look at one text is cheaper than a search among all.
//!
//! Refuses to be believed: each text is compared before its number is used again.

use super::dictionary::NONE;

macro_rules! numbers {
    ($(#[$meaning:meta])* $name:ident { $($field:ident),* }) => {
        $(#[$meaning])*
        #[derive(Clone, Copy)]
        pub(super) struct $name { $(pub $field: u32),* }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: NONE),* }
            }
        }
    };
}

numbers! {
    /// Of who asks.
    Caller {
        principal, principal_kind, principal_namespace, principal_name, user_uid, groups, credential_kind, pod,
        pod_uid, node, legacy_secret, decision, reason, origin, source_ips, user_agent, uri
    }
}

numbers! {
    /// Of what is asked.
    Request { verb, api_group, resource, subresource, namespace, name, stage, level }
}

/// Rows before, by number of a word.
#[derive(Default)]
pub(super) struct Before<T>(Vec<T>);

impl<T: Clone + Default> Before<T> {
    /// Of the word with this number; all without a word share one place.
    pub fn of(&mut self, number: u32) -> &mut T {
        let place = if number == NONE { 0 } else { number as usize + 1 };
        if self.0.len() <= place {
            self.0.resize(place + 1, T::default());
        }
        &mut self.0[place]
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
