//! Who makes a request, as the audit log shows them: user, credential, address, program.

use serde_json::{Map, Value, json};

#[derive(Clone, Default, Debug)]
pub struct Actor {
    pub username: String,
    groups: Vec<String>,
    uid: String,
    /// Keys of `user.extra` below `authentication.kubernetes.io/`.
    extra: Vec<(&'static str, String)>,
    /// `sourceIPs`, the caller's own address last.
    ips: Vec<String>,
    agent: String,
    /// Annotations that authentication leaves.
    notes: Vec<(&'static str, String)>,
    assumed: Option<Value>,
    /// An `Audit-ID` header of its own.
    pub audit_id: Option<String>,
}

/// A UUID that says whose it is.
fn uid(of: &str) -> String {
    let sum = of.bytes().fold(7u64, |sum, b| {
        sum.wrapping_mul(31).wrapping_add(u64::from(b))
    });
    format!(
        "{:08x}-0000-4000-8000-{:012x}",
        sum >> 32,
        sum & 0xffff_ffff_ffff
    )
}

fn groups_of(username: &str) -> Vec<String> {
    let all = || "system:authenticated".to_owned();
    match username.split(':').collect::<Vec<_>>().as_slice() {
        ["system", "serviceaccount", namespace, _] => {
            vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                all(),
            ]
        }
        ["system", "node", _] => vec!["system:nodes".to_owned(), all()],
        ["system", "anonymous"] => vec!["system:unauthenticated".to_owned()],
        ["system", "apiserver"] => vec![all(), "system:masters".to_owned()],
        ["system", "bootstrap", _] => vec!["system:bootstrappers".to_owned(), all()],
        _ => vec![all()],
    }
}

impl Actor {
    fn named(username: &str, ip: &str, agent: &str) -> Actor {
        let (groups, ips) = (groups_of(username), vec![ip.to_owned()]);
        Actor {
            username: username.to_owned(),
            groups,
            ips,
            agent: agent.to_owned(),
            ..Actor::default()
        }
    }

    /// A pod of `namespace:account` with the token that its kubelet got for it.
    pub fn pod(account: &str, pod: &str, node: &str, ip: &str) -> Actor {
        let username = format!("system:serviceaccount:{account}");
        let program = account.rsplit(':').next().unwrap_or("app");
        let mut actor = Actor::named(
            &username,
            ip,
            &format!("{program}/v0.0.0 (linux/amd64) kubernetes/$Format"),
        );
        actor.uid = uid(account);
        actor.extra = vec![
            ("credential-id", format!("JTI={}", uid(pod))),
            ("node-name", node.to_owned()),
            ("node-uid", uid(node)),
            ("pod-name", pod.to_owned()),
            ("pod-uid", uid(&format!("{pod}/uid"))),
        ];
        actor
    }

    /// An account by a token that is bound to nothing, which a TokenRequest gave out as `id`.
    pub fn unbound(account: &str, id: &str, ip: &str, agent: &str) -> Actor {
        let mut actor = Actor::named(&format!("system:serviceaccount:{account}"), ip, agent);
        (actor.uid, actor.extra) = (uid(account), vec![("credential-id", id.to_owned())]);
        actor
    }

    /// An account by a token out of a Secret.
    pub fn legacy(account: &str, secret: &str, ip: &str, agent: &str) -> Actor {
        let mut actor = Actor::named(&format!("system:serviceaccount:{account}"), ip, agent);
        actor.uid = uid(account);
        actor.notes = vec![
            ("authentication.k8s.io/legacy-token", actor.username.clone()),
            (
                "authentication.k8s.io/legacy-token-manual-secret",
                secret.to_owned(),
            ),
        ];
        actor
    }

    pub fn node(node: &str, ip: &str) -> Actor {
        Actor::certified(
            &format!("system:node:{node}"),
            ip,
            "kubelet/v1.36.2 (linux/amd64) kubernetes/98b3519",
        )
    }

    /// Somebody with a client certificate.
    pub fn certified(username: &str, ip: &str, agent: &str) -> Actor {
        let mut actor = Actor::named(username, ip, agent);
        actor.extra = vec![(
            "credential-id",
            format!("X509SHA256={}", uid(username).replace('-', "")),
        )];
        actor
    }

    /// Without a token of the API server's making: anonymous, a bootstrap token, the API server
    /// itself.
    pub fn plain(username: &str, ip: &str, agent: &str) -> Actor {
        Actor::named(username, ip, agent)
    }

    /// Whose token is no good: a 401 has no user.
    pub fn nobody(ip: &str, agent: &str) -> Actor {
        Actor {
            groups: Vec::new(),
            ..Actor::named("", ip, agent)
        }
    }

    /// With the token that its kubelet got for it on another day.
    pub fn renewed(mut self, day: i64) -> Actor {
        for (_, value) in self
            .extra
            .iter_mut()
            .filter(|(key, _)| *key == "credential-id")
        {
            *value = format!("JTI={}", uid(&format!("{value}/{day}")));
        }
        self
    }

    pub fn credential(&self) -> &str {
        self.extra
            .iter()
            .find(|(key, _)| *key == "credential-id")
            .map_or("", |(_, value)| value)
    }

    pub fn with(mut self, agent: &str) -> Actor {
        self.agent = agent.to_owned();
        self
    }

    /// With the same credential at another address.
    pub fn at(mut self, ip: &str) -> Actor {
        self.ips = vec![ip.to_owned()];
        self
    }

    /// Claims in a header to forward for another.
    pub fn forwarding_for(mut self, ip: &str) -> Actor {
        self.ips.insert(0, ip.to_owned());
        self
    }

    /// Long after the kubelet replaced the token.
    pub fn stale(mut self) -> Actor {
        let note = format!(
            "subject: {}, seconds after warning threshold: 600",
            self.username
        );
        self.notes.push(("authentication.k8s.io/stale-token", note));
        self
    }

    /// As an account of the same name that was made anew.
    pub fn with_uid(mut self, uid: &str) -> Actor {
        self.uid = uid.to_owned();
        self
    }

    /// With a certificate that says these groups.
    pub fn in_groups(mut self, groups: &[&str]) -> Actor {
        self.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        self
    }

    pub fn acting_as(mut self, username: &str, groups: &[&str]) -> Actor {
        self.assumed = Some(json!({"username": username, "groups": groups}));
        self
    }

    /// Puts the actor into an event of another actor: what that one did with its own credential,
    /// from its own address or with its own program, this one does with its own.
    pub fn stand_in_for(&self, other: &Actor, event: &mut Value) {
        let (mut own, mut others) = (json!({}), json!({}));
        self.sign(&mut own);
        other.sign(&mut others);
        if event["user"]["username"] != others["user"]["username"] {
            return;
        }
        if event["user"]["extra"] == others["user"]["extra"] {
            event["user"] = own["user"].clone();
        } else {
            for key in ["username", "uid", "groups"] {
                event["user"][key] = own["user"][key].clone();
            }
        }
        for key in ["sourceIPs", "userAgent"] {
            if event[key] == others[key] {
                event[key] = own[key].clone();
            }
        }
    }

    /// Puts the actor into an event.
    pub fn sign(&self, event: &mut Value) {
        let extra: Map<String, Value> = self
            .extra
            .iter()
            .map(|(key, value)| {
                (
                    format!("authentication.kubernetes.io/{key}"),
                    json!([value]),
                )
            })
            .collect();
        let mut user = json!({});
        for (key, value) in [
            ("username", json!(self.username)),
            ("uid", json!(self.uid)),
            ("groups", json!(self.groups)),
            ("extra", json!(extra)),
        ] {
            let empty = value == "" || value == json!([]) || value == json!({});
            if !empty {
                user[key] = value;
            }
        }
        (event["user"], event["sourceIPs"], event["userAgent"]) =
            (user, json!(self.ips), json!(self.agent));
        if let Some(assumed) = &self.assumed {
            event["impersonatedUser"] = assumed.clone();
        }
        for (key, value) in &self.notes {
            event["annotations"][*key] = json!(value);
        }
    }
}
