//! # What it sees
//! A token bound to a pod is accepted after this pod has ended; or a request is refused (401) at an
//! address where the stolen token of a pod was used, after this pod has ended.
//!
//! # Why it matters
//! The process that owned the token is gone. Whoever uses it now has a copy. Whoever goes on when
//! it is refused has not given up, and may have others.
//!
//! # How it decides
//! Whoever deletes or evicts a pod, drains its node or deletes its namespace only asks for its end:
//! the pod may take its time, and uses its token until then. These end it:
//!
//! - the kubelet's own delete, which comes last;
//! - a deletion or eviction that leaves no time (`gracePeriodSeconds: 0`: `kubectl delete
//!   --force`), also of all pods of a namespace, where the audit level (`Request`) shows it; not as
//!   a trial (`dryRun`);
//! - the delete of the pod garbage collector of kube-controller-manager: of pods whose node is
//!   gone, and of old ones that had finished;
//! - the end of its namespace.
//!
//! A token of that pod (by its uid; a StatefulSet's next pod has the same name and another uid)
//! that was in use before, and is accepted more than 90 seconds after it, is `high`, whatever it
//! asked for. A server honours a token for 60 seconds after the time of deletion, and remembers for
//! 10 what it accepted.
//!
//! A refusal names no user. Where `credential-in-two-places` or `unknown-origin` (`high`) found a
//! pod's token used at an address, a 401 there within two days of the pod's end is `medium`.
//!
//! # When it is wrong
//! An API server refuses such tokens itself as soon as it has heard of the deletion. So the first
//! is rare: an API server that lags far behind the others, or one that does not look pods up. The
//! second is wrong where somebody else at this address fails: the finding before was wrong, or the
//! address has passed on.
//!
//! Not seen: a thief who was never accepted away from the pod, and is refused (many refusals are
//! told by `unauthenticated-burst`); a pod that is deleted for good without its kubelet where no
//! body shows it (level `Metadata`), or by a selector of labels; a pod that finished by itself,
//! whose object stays: its token is honoured until somebody deletes the object, and only the body
//! of the kubelet's `pods/status` would say that the process is gone. A deletion whose query is not
//! plain (parameters with encoded names, 4 KiB or more) is not taken for the end of anything: it
//! may say that nothing is to be ended.
//!
//! # Tuning
//! None.
//!
//! # Respond
//! Look at the address: it is where the copy is. Delete and re-create the ServiceAccount if the
//! token was accepted, and find out why; if it was refused, see what else came from there.

use crate::base::Bits;
use crate::detect::{Finding, Marks, Meta, Tactic, View};

pub const META: Meta = Meta {
    id: "deleted-pod-token",
    title: "Token used after its pod was deleted",
    weighs: "18 bits; a refused try 12",
    tactic: Tactic::CredentialAccess,
    techniques: &["T1528", "T1550.001"],
    level: "Metadata; Request for pods deleted by force",
    since: "0.1.0",
    tunables: &[],
    wakes_on: Marks::DEPARTED,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    if let Some(gone) = view.departed {
        let pod = view.event.credential.pod;
        let expected = format!("pod {pod} was ended at {gone}: its token is used no more");
        let observed = format!(
            "it was used {} later, from {}",
            view.now().since(gone),
            view.origin
        );
        findings.push(finding(META.title, Bits::whole(18), expected, observed));
    }
    if let Some((used, gone)) = view.refused {
        let expected = format!(
            "the token of pod {}/{} was used from here at {}, and not by its pod, which was ended at {gone}: nobody calls",
            used.namespace, used.pod, used.at
        );
        let observed = format!(
            "a request from {} failed authentication {} later",
            view.origin,
            view.now().since(gone)
        );
        findings.push(finding(
            "Stolen token tried after its pod was deleted",
            Bits::whole(12),
            expected,
            observed,
        ));
    }
}

fn finding(title: &'static str, weight: Bits, expected: String, observed: String) -> Finding {
    Finding {
        title: title.into(),
        expected,
        observed,
        ..Finding::of(&META, weight)
    }
}
