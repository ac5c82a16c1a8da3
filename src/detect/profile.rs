//! How loud the policy is, in one word: the settings that decide it, moved together.
//!
//! Refuses to touch what an operator moved: a profile fills in only what still has its default.

use super::{Policy, Severity};
use serde::{Deserialize, Serialize};

/// How loud judging is. What each word changes stands below the settings.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Wakes nobody for less than evidence of theft, and learns for longer.
    Quiet,
    /// The settings as they stand.
    #[default]
    Default,
    /// Tells of all that is dangerous in itself, and hardly believes in habits. For those who read
    /// every day.
    Strict,
}

macro_rules! moved {
    ($($section:ident.$field:ident: $quiet:expr, $strict:expr;)*) => {
        impl Profile {
            /// Fills in what still has its default.
            pub fn apply(self, policy: &mut Policy) {
                let plain = Policy::default();
                $(if policy.$section.$field == plain.$section.$field {
                    policy.$section.$field = self.choose($quiet, plain.$section.$field, $strict);
                })*
            }

            /// Sets all that a profile decides, whoever moved it.
            pub fn set(self, policy: &mut Policy) {
                let plain = Policy::default();
                $(policy.$section.$field = self.choose($quiet, plain.$section.$field, $strict);)*
            }

            /// The settings that profiles decide, and their values in the order of
            /// [`Profile::ALL`].
            #[must_use]
            pub fn table() -> Vec<(&'static str, [String; 3])> {
                let plain = Policy::default();
                vec![$((
                    concat!(stringify!($section), ".", stringify!($field)),
                    Profile::ALL.map(|p| p.choose($quiet, plain.$section.$field, $strict).to_string()),
                )),*]
            }
        }
    };
}

moved! {
    incidents.notify: Severity::High, Severity::Low;
    severity.medium: 14, 10;
    learning.min_age_hours: 240, 120;
    learning.min_days: 8, 5;
    learning.sensitive_days: 5, 10;
    enumeration.threshold: 80, 30;
    unauthenticated.outside: 30, 5;
    unauthenticated.inside: 60, 10;
}

impl Profile {
    pub const ALL: [Profile; 3] = [Profile::Quiet, Profile::Default, Profile::Strict];

    #[must_use]
    pub fn label(self) -> &'static str {
        self.choose("quiet", "default", "strict")
    }

    fn choose<T>(self, quiet: T, default: T, strict: T) -> T {
        match self {
            Profile::Quiet => quiet,
            Profile::Default => default,
            Profile::Strict => strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_leaves_what_was_moved() {
        let mut policy = Policy::default();
        policy.enumeration.threshold = 70;
        let mut moved = policy.clone();
        Profile::Quiet.apply(&mut moved);
        assert_eq!(
            (moved.enumeration.threshold, moved.incidents.notify),
            (70, Severity::High)
        );
        Profile::Default.apply(&mut policy);
        assert_eq!(policy.enumeration.threshold, 70);
        Profile::Default.set(&mut moved);
        assert_eq!(moved, Policy::default());
    }

    #[test]
    fn quiet_is_never_louder_and_strict_never_quieter() {
        let number = |text: &str| {
            text.parse::<i64>()
                .unwrap_or_else(|_| Severity::parse(text).map_or(-1, |s| s as i64))
        };
        for (setting, [quiet, default, strict]) in Profile::table() {
            let (quiet, default, strict) = (number(&quiet), number(&default), number(&strict));
            let at_least = setting != "learning.sensitive_days";
            assert!(
                quiet >= default && (default >= strict) == at_least,
                "{setting}"
            );
        }
    }
}
