//! Credentials at other addresses, among the moves of a cluster's life.

use super::{HASTE, ask, habitual, ways};
use crate::actor::Actor;
use crate::clusters::life::Life;
use crate::clusters::network::Network;
use crate::world::{CURL, HOUR, MINUTE, Trace};

ways! {
    E60 "A stolen token among two accounts that make their address shared" shared_address where Network::tells_pods_apart;
    E61 "A stolen token in another address family" other_family where Network::tells_pods_apart;
    E62 "A pod's token used from its node, with its own operations" from_its_node where Network::tells_pods_from_nodes;
    E63 "A pod's token used from another pod of the same node" same_node where Network::tells_pods_from_nodes;
    E64 "Several tokens of one node appear elsewhere together" loot_of_a_node where Network::tells_pods_apart;
    E65 "A stolen token in the minutes of a rollout" in_a_rollout;
    E66 "Refused guesses of one kind by the hundred" one_kind_of_401;
    E67 "Refused guesses from hundreds of networks" many_networks_of_401;
}

const READS: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    "GET /api/v1/namespaces/{ns}/endpoints?limit=500 200",
];
const READS_SECRETS: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/secrets/{app} 200",
    "GET /api/v1/namespaces/{ns}/secrets?limit=500 200",
];

fn shared_address(life: &mut Life<'_>, attack: &mut Trace) {
    let (victim, tenant) = (habitual(life, READS_SECRETS), habitual(life, READS));
    for n in 0..3 {
        let job = crate::clusters::life::Worker {
            pod: format!("{}-job-{n}", tenant.pod),
            ..tenant.clone()
        };
        for who in [&job, &tenant] {
            ask(
                attack,
                &who.on(attack.now).with(CURL),
                &["GET /api/v1/namespaces/{ns}/configmaps/c 200"],
                &[("ns", tenant.namespace())],
            );
            attack.wait(HASTE);
        }
    }
    let thief = victim.on(attack.now).at(&tenant.ip);
    ask(
        attack,
        &thief,
        READS_SECRETS,
        &[("ns", victim.namespace()), ("app", victim.name())],
    );
    ask(
        attack,
        &thief,
        &["GET /api/v1/namespaces/kube-system/secrets?limit=500 200"],
        &[],
    );
}

fn other_family(life: &mut Life<'_>, attack: &mut Trace) {
    let victim = habitual(life, READS_SECRETS);
    let thief = victim.on(attack.now).at("fd00:10:60::77");
    ask(
        attack,
        &thief,
        READS_SECRETS,
        &[("ns", victim.namespace()), ("app", victim.name())],
    );
    ask(
        attack,
        &thief,
        &["GET /api/v1/namespaces/kube-system/secrets?limit=500 200"],
        &[],
    );
}

/// The account's own work at this address, beside its pod's.
fn beside(
    life: &mut Life<'_>,
    attack: &mut Trace,
    ip_of: impl FnOnce(&mut Life<'_>, usize) -> String,
) {
    let victim = habitual(life, READS);
    let ip = ip_of(life, victim.node);
    let names = [("ns", victim.namespace()), ("app", victim.name())];
    for _ in 0..4 {
        life.ask(attack.now, &victim.on(attack.now), READS, &names);
        attack.wait(30 * 1000);
        ask(attack, &victim.on(attack.now).at(&ip), READS, &names);
        attack.wait(MINUTE);
    }
}

fn from_its_node(life: &mut Life<'_>, attack: &mut Trace) {
    beside(life, attack, |_, node| format!("10.60.0.{}", 11 + node));
}

fn same_node(life: &mut Life<'_>, attack: &mut Trace) {
    beside(life, attack, |life, node| {
        let own = life.on_node(node);
        life.steady(
            &own,
            0..life.end(),
            6 * HOUR,
            READS,
            &[("ns", own.namespace()), ("app", own.name())],
        );
        own.ip
    });
}

/// Three accounts of one node at the address of a pod of another.
fn loot_of_a_node(life: &mut Life<'_>, attack: &mut Trace) {
    let thief = life.on_node(1);
    life.steady(
        &thief,
        0..life.end(),
        6 * HOUR,
        READS,
        &[("ns", thief.namespace()), ("app", thief.name())],
    );
    for _ in 0..3 {
        let victim = life.on_node(0);
        let names = [("ns", victim.namespace()), ("app", victim.name())];
        life.steady(&victim, 0..life.end(), 4 * HOUR, READS, &names);
        life.ask(attack.now, &victim.on(attack.now), READS, &names);
        attack.wait(HASTE);
        ask(attack, &victim.on(attack.now).at(&thief.ip), READS, &names);
    }
}

/// While new pods of the account come and go, the old one's token lists Secrets elsewhere.
fn in_a_rollout(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, READS);
    let names = [("ns", own.namespace()), ("app", own.name())];
    for _ in 0..3 {
        let next = own.upgraded(life);
        life.ask(attack.now - MINUTE, &next.on(attack.now), READS, &names);
    }
    let (_, elsewhere) = life.place();
    ask(
        attack,
        &own.on(attack.now).at(&elsewhere),
        &[
            "GET /api/v1/namespaces/{ns}/secrets?limit=500 200",
            "GET /api/v1/namespaces/kube-system/secrets?limit=500 200",
        ],
        &names,
    );
}

fn one_kind_of_401(life: &mut Life<'_>, attack: &mut Trace) {
    let (_, ip) = life.place();
    for _ in 0..400 {
        attack.ask(
            &Actor::nobody(&ip, CURL),
            "GET /api/v1/namespaces/default/pods 401",
        );
        attack.now -= 1_900;
    }
}

fn many_networks_of_401(_: &mut Life<'_>, attack: &mut Trace) {
    for n in 0..400 {
        attack.ask(
            &Actor::nobody(&format!("203.{}.{}.7", n / 200, n % 200), CURL),
            "GET /api/v1/namespaces/default/pods 401",
        );
        attack.now -= 1_900;
    }
}
