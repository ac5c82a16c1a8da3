//! How likely it is that this account does this now: its own past from the specific to the general,
//! then accounts of its role, then all accounts of this cluster.
//!
//! Estimates are Good-Turing's in its simplest form: the share of days that brought something new
//! is how likely the next one does (I. J. Good, Biometrika 40, 1953), with a prior for accounts
//! that are hardly known.

use super::{Cause, What};
use crate::base::Bits;
use crate::baseline::features::practices::Practice;
use crate::baseline::lesson::ANY;
use crate::baseline::prevalence::Group;
use crate::detect::View;
use crate::event::{Outcome, Principal, PrincipalKind};

/// Accounts that the prior counts for.
const PRIOR_ACCOUNTS: u64 = 20;
/// Accounts in a thousand that do what is usual: the share that rarer kinds of act are
/// measured by.
const USUAL: u64 = 200;
/// What is added to it on an account's first days, when everything is new.
const FIRST: u64 = 600;
/// The most that an object, a namespace or a program of a known kind of act counts.
const OBJECT_MAX: Bits = Bits::whole(6);
/// The most that a kind of act counts.
const KIND_MAX: Bits = Bits::whole(9);
/// The most that a kind of act counts which wins nothing: news of no consequence is not evidence,
/// however new it is.
const SURPRISE_OF_NOTHING: Bits = Bits::whole(3);
/// How surprising it is at least that a component does what is not its work.
const UNLIKE_A_COMPONENT: Bits = Bits::whole(8);
/// Most accounts of one role that are asked.
const PEERS_ASKED: usize = 64;
/// A day's requests are many when they are so many times those of the busiest day, and so many
/// more.
const BUSY_TIMES: u16 = 4;
const BUSY_MORE: u16 = 16;

/// In what an act is unusual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Never did this kind of act.
    Kind,
    /// Does it, but not to this object.
    Object,
    /// Does it, but not in this namespace.
    Place,
    /// Does it, but not with this program.
    Program,
    /// Did it on so few days.
    Seldom,
    /// Does it, but not so often in a day.
    Busy,
    /// Nothing is unusual.
    Habit,
}

/// What the past says of one act.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Familiarity {
    pub surprise: Bits,
    pub why: Why,
    /// Distinct days on which the account did this kind of act.
    pub days: u32,
    pub cause: Option<Cause>,
}

pub(super) fn of(view: &View<'_>, what: What, key: &str, object: &str, place: &str) -> Familiarity {
    let Some(practice) = view.account.practices.get(key) else {
        return of_new_kind(view, what, key);
    };
    let days = u32::from(practice.seen.days);
    let is_unknown =
        |mark, what: &str| !what.is_empty() && view.account.practised(key, mark, what).is_none();
    // On the day that an account begins a kind of act, each object more is as new as the first.
    if days == 1
        && practice.is_today(view.now())
        && (is_unknown(' ', object) || is_unknown('@', place))
    {
        return Familiarity {
            days,
            ..of_new_kind(view, what, key)
        };
    }
    let mut found = Familiarity {
        surprise: seldom(days),
        why: Why::Seldom,
        days,
        cause: None,
    };
    let mut consider = |surprise: Bits, why: Why| {
        if surprise > found.surprise {
            (found.surprise, found.why) = (surprise, why);
        }
    };
    match known(view, key, ' ', object) {
        Known::Never => consider(new_object(view, practice), Why::Object),
        Known::Days(days) => consider(seldom(days), Why::Seldom),
        Known::Nothing => {}
    }
    match known(view, key, '@', place) {
        Known::Never => consider(new_place(view, practice), Why::Place),
        Known::Days(days) => consider(seldom(days), Why::Seldom),
        Known::Nothing => {}
    }
    consider(new_program(view, key), Why::Program);
    consider(busy(what, practice, view), Why::Busy);
    if found.surprise == Bits::ZERO {
        found.why = Why::Habit;
    }
    found
}

/// What was done on few days is not yet habit.
#[must_use]
pub fn seldom(days: u32) -> Bits {
    Bits(match days {
        0 | 1 => 1250,
        2 => 500,
        3 => 250,
        4 => 100,
        _ => 0,
    })
}

fn of_new_kind(view: &View<'_>, what: What, key: &str) -> Familiarity {
    let account = view.account;
    let (days, kinds) = (
        u64::from(account.days_before(view.now())),
        account.practices.len().max(1) as u64,
    );
    let common = prevalence(view, what, key);
    let begun = u64::from(account.practices.novelty().days_before(view.now()));
    // How likely the account is to begin anything, and that it is this.
    let any = (1000 * begun + USUAL * kinds.min(12) + FIRST / (1 + days)).min(1000 * (days + 1));
    let hits = (any * common.min(USUAL) / USUAL).max(1);
    let most = KIND_MAX.min(worth(what) + SURPRISE_OF_NOTHING);
    // What a component never does stands in its source, not in its past.
    let least = if view.event.principal.component().is_some() {
        UNLIKE_A_COMPONENT.min(most)
    } else {
        seldom(0)
    };
    // Where everything is new, the first time is no less odd than the second.
    let mut surprise = Bits::surprise(hits, 1000 * (days + 1)).min(most).max(least);
    let mut cause = None;
    match role(view, key) {
        Role::Does => (surprise, cause) = (surprise.min(excused_by_role(what)), Some(Cause::Role)),
        Role::DoesNot => surprise = (surprise + Bits::whole(1)).min(KIND_MAX),
        Role::Unknown => {}
    }
    // Controllers ask again and again until somebody grants it; who asks once is trying doors.
    let asked_before = view.denial_seen.is_some_and(|seen| seen.days > 1);
    if asked_before && view.event.outcome == Outcome::Allowed {
        (surprise, cause) = (surprise.min(Bits::whole(1)), Some(Cause::Asked));
    }
    if let Some(made) = installed(view) {
        surprise = (surprise - Bits::whole(3)).max(Bits(500));
        cause = Some(Cause::Installed(made));
    }
    Familiarity {
        surprise,
        why: Why::Kind,
        days: 0,
        cause,
    }
}

/// Counts the accounts in a thousand of its group that do this; a guess by the gain while few were
/// seen, and while the log is young, for then everything is new.
fn prevalence(view: &View<'_>, what: What, key: &str) -> u64 {
    let group = Group::of(view.event.principal.kind());
    let guess = match worth(what).0 / 1000 {
        10.. => 20,
        7..10 => 30,
        5..7 => 50,
        3..5 => 100,
        _ => 200,
    };
    // People do many things once.
    let guess = if group == Group::Users {
        guess * if view.account.days > 0 { 8 } else { 3 }
    } else {
        guess
    };
    let (practising, accounts) = view.prevalence.practising(key, group);
    let counted = (1000 * u64::from(practising) + guess * PRIOR_ACCOUNTS)
        / (u64::from(accounts) + PRIOR_ACCOUNTS);
    let young = 600 / (1 + u64::from(view.prevalence.days_before(view.now())));
    counted.max(young).max(1)
}

/// How surprising it stays of an account whose namesakes do it: names are cheap, and the graver the
/// act, the less they excuse.
fn excused_by_role(what: What) -> Bits {
    Bits::whole(1) + (worth(what) - Bits::whole(5)).max(Bits::ZERO).times(1, 2)
}

/// What the table says that it would win.
fn worth(what: What) -> Bits {
    match what {
        What::Deed(deed, reach) => deed.gain(reach),
        What::Act(act) => act.gain(),
    }
}

enum Role {
    Does,
    DoesNot,
    Unknown,
}

/// What accounts of the same role do: namesakes in other namespaces that use the same program, and
/// the account that had this name before. A program that is new to the account is no sign of its
/// role.
fn role(view: &View<'_>, key: &str) -> Role {
    if view.agent_seen.is_none() && view.account.events > 0 {
        return Role::Unknown;
    }
    let before = view
        .account
        .predecessor
        .as_ref()
        .filter(|before| before.agents.get(view.agent).is_some());
    if before.is_some_and(|before| before.practices.get(key).is_some()) {
        return Role::Does;
    }
    let (mut asked, mut known) = (0, 0);
    let username = view.event.username;
    for name in view
        .population
        .family_of(username)
        .filter(|name| *name != username)
        .take(PEERS_ASKED)
    {
        let Some(peer) = view.population.get(name).filter(|peer| peer.days >= 2) else {
            continue;
        };
        if peer.agents.get(view.agent).is_some() {
            asked += 1;
            known += usize::from(peer.practices.get(key).is_some());
        }
    }
    match (asked, known) {
        (2.., known) if known >= 2 && 2 * known >= asked => Role::Does,
        (3.., 0) => Role::DoesNot,
        _ => Role::Unknown,
    }
}

/// When an account was made that began to call within a day of it: all that it does on its first
/// day is new.
fn installed(view: &View<'_>) -> Option<crate::base::Time> {
    let Principal::ServiceAccount { namespace, name } = view.event.principal else {
        return None;
    };
    let made = view.causes.made_account(namespace, name, view.now())?;
    (view.account.events == 0 || view.account.first_seen >= made - crate::base::Span::seconds(5))
        .then_some(made)
}

/// What is known of an object or a namespace of a kind of act.
enum Known {
    /// The act has none that matters.
    Nothing,
    Never,
    Days(u32),
}

fn known(view: &View<'_>, key: &str, mark: char, what: &str) -> Known {
    if what.is_empty() {
        return Known::Nothing;
    }
    // An operator may have called any of them normal.
    let seen = view
        .account
        .practised(key, mark, what)
        .or_else(|| view.account.practised(key, mark, ANY));
    seen.map_or(Known::Never, |seen| Known::Days(seen.days.into()))
}

fn new_object(view: &View<'_>, practice: &Practice) -> Bits {
    let begun = u64::from(practice.new_objects.days_before(view.now()));
    let surprise = rare(begun, practice.objects.into(), days_before(practice, view));
    // Each one more of a day that brings many is as odd as the first, and a little more.
    let today = if practice.is_today(view.now()) {
        practice.new_today
    } else {
        0
    };
    let more = Bits::log2(u64::from(today) + 1).0.min(5000);
    (surprise + surprise.times(more, 8000)).min(OBJECT_MAX + Bits::whole(3))
}

fn new_place(view: &View<'_>, practice: &Practice) -> Bits {
    let begun = u64::from(practice.new_places.days_before(view.now()));
    rare(begun, practice.places.into(), days_before(practice, view))
}

/// Days before today on which the kind of act was done.
fn days_before(practice: &Practice, view: &View<'_>) -> u64 {
    u64::from(practice.seen.days).saturating_sub(u64::from(practice.is_today(view.now())))
}

/// One more value where `begun` of `days` brought one and `known` are known.
fn rare(begun: u64, known: u64, days: u64) -> Bits {
    let hits = 1000 * begun + (200 * known).min(500);
    Bits::surprise(hits, 1000 * (days + 1)).min(OBJECT_MAX)
}

/// A program that the account uses, but never for this. One that is new to it is counted apart.
fn new_program(view: &View<'_>, key: &str) -> Bits {
    let known = view.agent_seen.is_some_and(|seen| seen.days > 1);
    if !known || view.account.practised(key, ':', view.agent).is_some() {
        return Bits::ZERO;
    }
    let programs = view.account.agents.len() as u64;
    Bits::surprise(200 * programs.min(5), 5000)
        .min(Bits(4500))
        .times(2, 3)
}

/// Weighs acts that do their harm by number.
fn busy(what: What, practice: &Practice, view: &View<'_>) -> Bits {
    use crate::detect::acts::Act;
    use crate::detect::deed::Deed;
    let by_number = matches!(
        what,
        What::Deed(
            Deed::EnterPod | Deed::MintToken | Deed::DeleteSecret | Deed::DeleteNode,
            _
        ) | What::Act(Act::NamespaceDeleted | Act::DataDeleted)
    );
    let is_today = practice.is_today(view.now());
    let many = practice
        .busiest
        .saturating_mul(BUSY_TIMES)
        .saturating_add(BUSY_MORE);
    // The first day has none before it that could be busy.
    if !by_number
        || !is_today
        || practice.seen.days < 2
        || practice.today <= many
        || view.event.principal.kind() == PrincipalKind::Node
    {
        return Bits::ZERO;
    }
    Bits::surprise(u64::from(practice.busiest) + 1, u64::from(practice.today))
        .times(2, 1)
        .min(KIND_MAX)
}
