//! The weight of evidence of one event: what its acts would win an intruder, how surprising each is
//! of this account now, and what explains it. `docs/design/judgement.md` says why it is done so.
//!
//! Refuses state and thresholds: it turns what is known into bits, and incidents add them up.

mod cause;
mod familiarity;
mod gain;

pub use cause::Cause;
pub use familiarity::{Familiarity, Why, seldom};

use super::acts::{Act, Acts};
use super::deed::{Deed, Reach};
use super::{View, own};
use crate::base::Bits;
use crate::base::remembered::{Remembered, Seen};
use crate::baseline::features::networks;
use crate::event::{Geo, Principal, PrincipalKind};
use smallvec::SmallVec;
use smol_str::{SmolStr, format_smolstr};

/// The most that all surprise of one event counts: beyond it something is simply new.
const SURPRISE_MAX: Bits = Bits::whole(12);
/// The most that a new program or origin counts.
const NOVELTY_MAX: Bits = Bits::whole(6);
/// An act of no gain has to be so surprising before it counts at all.
const FLOOR: Bits = Bits::whole(3);
/// Below so much surprise an act counts in proportion: what is habit weighs nothing, whatever it
/// would win.
const WHOLLY_ODD: i32 = 2000;
/// What a country adds that the account never called from, where the operator has files that say
/// so.
const COUNTRY: Bits = Bits::whole(2);
/// What a program of people and their scripts adds where none was ever used.
const TOOL: Bits = Bits::whole(2);

/// What is weighed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Deed(Deed, Reach),
    Act(Act),
}

impl What {
    /// The key by which baselines and settings know it.
    #[must_use]
    pub fn key(self) -> SmolStr {
        match self {
            What::Deed(deed, reach) => format_smolstr!("{}.{}", deed.key(), reach.key()),
            What::Act(act) => SmolStr::new_static(act.key()),
        }
    }
}

/// Whether settings may name an act so: by its key, or an operation by its key and reach.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let reaches = ["o", "n", "s", "c"];
    let deed = |key: &str| Deed::ALL.iter().any(|deed| deed.key() == key);
    let at_reach = key
        .rsplit_once('.')
        .is_some_and(|(deed_key, reach)| reaches.contains(&reach) && deed(deed_key));
    deed(key) || at_reach || Act::ALL.iter().any(|act| act.key() == key)
}

/// One act of an event with its weight.
#[derive(Clone, PartialEq, Debug)]
pub struct Weighed {
    pub what: What,
    pub key: SmolStr,
    /// What it is aimed at; empty where that does not matter.
    pub object: String,
    /// The namespace, where that matters.
    pub place: String,
    /// As far as the request was successful.
    pub gain: Bits,
    pub familiarity: Familiarity,
    /// All surprise: of the act, of the program and of the origin.
    pub surprise: Bits,
    pub weight: Bits,
    pub causes: SmallVec<[Cause; 2]>,
}

/// The weights of one event.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Weights {
    /// How surprising the program is of this account, and where it calls from.
    pub program: Bits,
    pub origin: Bits,
    /// The program came with a new pod, as a rollout brings one.
    pub is_rollout: bool,
    /// The sensitive operation, then what the event shows besides.
    pub acts: SmallVec<[Weighed; 2]>,
}

impl Weights {
    /// The gravest of the acts that `of` picks.
    #[must_use]
    pub fn gravest(&self, of: impl Fn(What) -> bool) -> Option<&Weighed> {
        let picked = self
            .acts
            .iter()
            .filter(|weighed| of(weighed.what) && weighed.weight > Bits::ZERO);
        picked.rev().max_by_key(|weighed| weighed.weight)
    }
}

/// What an event of `gain` weighs where it is surprising by so much. Continuous in both: no habit,
/// and no age, changes it by a leap.
#[must_use]
pub fn weight(gain: Bits, surprise: Bits) -> Bits {
    let whole = (gain + surprise - FLOOR).max(Bits::ZERO);
    whole.times(surprise.0.clamp(0, WHOLLY_ODD), WHOLLY_ODD)
}

/// Weighs everything that an event shows. `view` is complete but for its weights.
#[must_use]
pub fn of(view: &View<'_>) -> Weights {
    let mut weights = Weights::default();
    if view.event.principal.kind() == PrincipalKind::Nobody || view.is_own_work() {
        return weights;
    }
    (weights.program, weights.is_rollout) = program(view);
    weights.origin = origin(view);
    if let Some(sensitive) = view.sensitive {
        let is_trade = view.event.principal.kind() == PrincipalKind::Node
            && own::is_trade_of_kubelet(sensitive, view)
            && !own::is_client(view.agent);
        if !is_trade {
            let deed = Deed::of(sensitive, view);
            weights.acts.push(weighed(
                view,
                What::Deed(deed, Reach::of(&view.event.operation)),
                &weights,
            ));
        }
    }
    for act in view.acts.each() {
        weights.acts.push(weighed(view, What::Act(act), &weights));
    }
    weights
}

/// What one act would weigh, whether or not the event shows it.
#[must_use]
pub fn one(view: &View<'_>, act: Act) -> Bits {
    weighed(view, What::Act(act), &view.weights).weight
}

fn weighed(view: &View<'_>, what: What, weights: &Weights) -> Weighed {
    let key = what.key();
    let (object, place) = gain::aim(view, what);
    let familiarity = familiarity::of(view, what, &key, &object, &place);
    let mut causes: SmallVec<[Cause; 2]> = familiarity.cause.into_iter().collect();
    let gain = gain::of(view, what, &key, &mut causes);
    // That it comes from outside is what the act says already.
    let is_origin = matches!(
        what,
        What::Act(Act::SystemFromOutside | Act::RefusedOutside)
    );
    let news = weights.program
        + if is_origin {
            Bits::ZERO
        } else {
            weights.origin
        };
    // A sensitive act is familiar only with the program and the origin that do it.
    let is_familiar = familiarity.surprise == Bits::ZERO && gain < Bits::whole(4);
    let news = if is_familiar { Bits::ZERO } else { news };
    // Who has no name is anybody.
    let news = if view.event.principal == Principal::Anonymous {
        news + NAMELESS
    } else {
        news
    };
    let surprise = (familiarity.surprise + news).min(most(view, weights));
    let mut weight = weight(gain, surprise);
    // What is refused, or asked about, is counted by `enumeration` as well.
    if view
        .probe
        .is_some_and(|probe| probe.kind.is_counted_twice())
        && gain < Bits::whole(8)
    {
        weight = weight.times(1, 2);
    }
    let is_hostile = matches!(what, What::Act(act) if Acts::is_hostile(act));
    if is_hostile {
        let floor = if familiarity.days >= 5 {
            gain.times(1, 3)
        } else {
            gain.times(3, 4)
        };
        weight = weight.max(floor);
    } else {
        weight = cause::explain(
            view,
            what,
            &key,
            familiarity.why,
            weight,
            weights,
            &mut causes,
        );
    }
    Weighed {
        what,
        key,
        object,
        place,
        gain,
        familiarity,
        surprise,
        weight,
        causes,
    }
}

/// The most that surprise counts. Refusals say that nothing was won, and of those who hold every
/// right nothing surprises much, while they use their own program from their own place.
fn most(view: &View<'_>, weights: &Weights) -> Bits {
    let own = weights.program + weights.origin == Bits::ZERO;
    let holds_all = own
        && view
            .event
            .groups
            .iter()
            .any(|group| group == "system:masters");
    if view.event.outcome.is_refusal() || holds_all {
        Bits::whole(5)
    } else {
        SURPRISE_MAX
    }
}

/// What it adds that a request has no name.
const NAMELESS: Bits = Bits::whole(3);

/// How surprising the program is of this account, and whether it came with a new pod.
fn program(view: &View<'_>) -> (Bits, bool) {
    let account = view.account;
    let began = view.agent_seen.map(Seen::first);
    let is_tool = own::is_client(view.agent);
    let fresh = freshness(view, view.agent_seen);
    // A version of the account's own program is at home from the day after.
    if fresh == 0 || account.events == 0 || (fresh < HABIT && !is_tool) {
        return (Bits::ZERO, false);
    }
    let base = if view.is_machine() { 50 } else { 300 };
    let mut surprise = novelty(view, &account.agents, base, began.is_some()).times(fresh, HABIT);
    if is_tool
        && !account
            .agents
            .iter()
            .any(|(agent, _)| agent != view.agent && own::is_client(agent))
    {
        surprise += TOOL.times(surprise.0.min(4000), 4000);
    }
    let alike = |known: &str| known != view.agent && first_word(known) == first_word(view.agent);
    let is_kin = !is_tool && account.agents.iter().any(|(agent, _)| alike(agent));
    let comes_with_pod = !is_tool && view.is_new_pod();
    let is_shared = view.agent_peers.share()
        || view.causes.is_wave(
            &agent_key(view.agent),
            view.event.username,
            view.origin.ip,
            view.now(),
        );
    if is_kin || comes_with_pod || (is_shared && !is_tool) {
        surprise = surprise.times(1, 3);
    }
    // What was told an hour ago is half as new.
    if began.is_some_and(|first| view.now().since(first).as_seconds() >= 3600) {
        surprise = surprise.times(1, 2);
    }
    (surprise, comes_with_pod)
}

/// Days that make a habit of a program or a place.
const HABIT: i32 = 5;

/// How new a program or a place still is, in parts of [`HABIT`]: wholly on its first day, less on
/// each day on which it returns. What came with the account was never new.
fn freshness(view: &View<'_>, seen: Option<&Seen>) -> i32 {
    let Some(seen) = seen else { return HABIT };
    if seen.first() <= view.account.first_seen {
        return 0;
    }
    let is_today = seen.last().day() == view.now().day();
    HABIT
        - i32::from(seen.days)
            .saturating_sub(i32::from(is_today))
            .clamp(0, HABIT)
}

/// By which accounts that begin to use one program are counted.
#[must_use]
pub fn agent_key(agent: &str) -> SmolStr {
    format_smolstr!("agent {agent}")
}

fn first_word(agent: &str) -> &str {
    agent.split(['-', '.', '_']).next().unwrap_or(agent)
}

/// How surprising the origin is of this account. Where a credential cannot be is asked of the
/// address, not of habit.
fn origin(view: &View<'_>) -> Bits {
    use crate::baseline::features::origins::Class;
    let account = view.account;
    let told = matches!(
        view.origin.class,
        Class::OtherPod | Class::OtherNode | Class::Unknown | Class::Shared
    );
    let own =
        view.is_service_account() && matches!(view.origin.class, Class::OwnPod | Class::OwnNode);
    if told || own || view.addresses_blind || account.events == 0 {
        return Bits::ZERO;
    }
    let seen = view.origin_best();
    let fresh = freshness(view, seen);
    if fresh == 0 || view.is_own_controller() {
        return Bits::ZERO;
    }
    let base = if view.is_machine() { 50 } else { 300 };
    let memory = if view.geo.is_some() && !account.networks.is_empty() {
        &account.networks
    } else {
        &account.origins
    };
    let surprise = novelty(view, memory, base, seen.is_some()).times(fresh, HABIT);
    // People change networks oftener than countries.
    let today = view.now().day();
    let is_new = |geo: &Geo<'_>| {
        !geo.country.is_empty() && !networks::has_country(&account.networks, geo.country, today)
    };
    let is_abroad = !account.networks.is_empty() && view.geo.is_some_and(is_new);
    surprise
        + if is_abroad {
            COUNTRY.times(surprise.0.min(4000), 4000)
        } else {
            Bits::ZERO
        }
}

/// How surprising one more value of a dimension is: by the days that brought one, and by how many
/// there are. An account that is hardly known is hardly surprising.
fn novelty(view: &View<'_>, memory: &Remembered, base: u64, is_counted: bool) -> Bits {
    let account = view.account;
    let days = u64::from(account.days_before(view.now()));
    let known = (memory.len().saturating_sub(usize::from(is_counted)).max(1)) as u64;
    let hits = 1000 * u64::from(memory.novelty().days_before(view.now())) + (base * known).min(500);
    let surprise = Bits::surprise(hits, 1000 * (days + 1)).min(NOVELTY_MAX);
    let (days, events) = (days.min(1000) as i32, account.events.min(1000) as i32);
    surprise.times(days, days + 1).times(events, events + 10)
}

/// How surprising an operation is that is not sensitive.
#[must_use]
pub fn operation(view: &View<'_>) -> Bits {
    let account = view.account;
    if view.operation_seen.is_some_and(|seen| seen.days > 1) || account.events == 0 {
        return Bits::ZERO;
    }
    if view.operation_peers.share() {
        return Bits::whole(1);
    }
    let surprise = novelty(
        view,
        &account.operations,
        100,
        view.operation_seen.is_some(),
    )
    .min(Bits(4500));
    if view.operation_peers.deny() {
        surprise + Bits::whole(1)
    } else {
        surprise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_has_no_cliffs() {
        for gain in 0..17 {
            let weights: Vec<i32> = (0..12_000)
                .map(|s| weight(Bits::whole(gain), Bits(s)).0)
                .collect();
            assert!(
                weights
                    .windows(2)
                    .all(|pair| pair[0] <= pair[1] && pair[1] - pair[0] <= 20),
                "{gain}"
            );
        }
        assert_eq!(
            weight(Bits::whole(14), Bits::ZERO),
            Bits::ZERO,
            "what always happens weighs nothing"
        );
        assert_eq!(weight(Bits::whole(7), Bits(4400)), Bits(8400));
    }
}
