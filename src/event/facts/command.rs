//! What the command of an exec looks like: the words stand in the URI
//! (`?command=cat&command=%2Fetc%2Fpasswd`).
//!
//! Refuses what was redacted: it takes the words that the client sent, or whoever sends them would
//! choose what is hidden. Nothing of them is kept.

use super::{CommandFacts, hostile};
use crate::event::wire::WireEvent;

/// Bytes of a command line that are looked at: the server takes no request line of more
/// (`DefaultMaxHeaderBytes`).
const COMMAND_MAX: usize = (1 << 20) + 4096;

/// The facts of a command that is sent into a pod, through its API or its kubelet's; `None` where
/// it has none.
pub(in crate::event) fn commanded(wire: &WireEvent<'_>) -> Option<CommandFacts> {
    let object = wire.object_ref.as_ref()?;
    let carries = matches!(
        (&*object.resource, &*object.subresource),
        ("pods", "exec") | ("nodes", "proxy")
    );
    let facts = if carries {
        of_line(&command_line(&wire.request_uri))
    } else {
        CommandFacts::default()
    };
    (facts != CommandFacts::default()).then_some(facts)
}

fn of_line(line: &str) -> CommandFacts {
    let names = |signs: &[&str]| signs.iter().any(|sign| line.contains(sign));
    CommandFacts {
        shell: hostile::calls_back(line),
        token: hostile::reads_token(line),
        metadata: hostile::asks_metadata(line),
        copies: line.starts_with("tar c") || line.starts_with("tar -c"),
        fetches: names(&["curl ", "wget "]) && names(&["http://", "https://"]),
    }
}

/// The words of the command, decoded, in lower case, with spaces between them. The server decodes
/// names of parameters as it does values.
fn command_line(uri: &str) -> String {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let mut line = Vec::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let (mut decoded_name, room) = (Vec::new(), COMMAND_MAX.saturating_sub(line.len()));
        decode(name, 32, &mut decoded_name);
        if !matches!(decoded_name.as_slice(), b"command" | b"cmd") || room == 0 {
            continue;
        }
        if !line.is_empty() {
            line.push(b' ');
        }
        decode(value, room, &mut line);
    }
    line.make_ascii_lowercase();
    String::from_utf8_lossy(&line).into_owned()
}

/// Undoes the encoding of a query, for at most so many bytes.
fn decode(text: &str, most: usize, out: &mut Vec<u8>) {
    let mut rest = text.bytes();
    let end = out.len() + most;
    while let Some(byte) = rest.next().filter(|_| out.len() < end) {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    rest.next()
                        .and_then(|b| char::from(b).to_digit(16))
                        .unwrap_or(0) as u8
                };
                let high = digit();
                high << 4 | digit()
            }
            other => other,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(query: &str) -> CommandFacts {
        of_line(&command_line(&format!(
            "/api/v1/namespaces/n/pods/p/exec?{query}&stdout=true"
        )))
    }

    #[test]
    fn commands_are_read_word_by_word() {
        let none = CommandFacts::default();
        let token =
            "command=cat&command=%2Fvar%2Frun%2Fsecrets%2Fkubernetes.io%2Fserviceaccount%2Ftoken";
        assert_eq!(
            facts(token),
            CommandFacts {
                token: true,
                ..none
            }
        );
        assert_eq!(
            facts("command=sh&command=-c&command=curl+-s+http%3A%2F%2F169.254.169.254%2F"),
            CommandFacts {
                metadata: true,
                fetches: true,
                ..none
            }
        );
        assert_eq!(
            facts("command=TAR&command=cf&command=-&command=%2Fdata"),
            CommandFacts {
                copies: true,
                ..none
            }
        );
        assert_eq!(facts("command=ls&command=%zz&command=%2"), none);
        assert_eq!(facts(&format!("command={}", "%20".repeat(9000))), none);
    }

    #[test]
    fn names_of_parameters_are_decoded_as_the_server_does() {
        assert!(facts("%63ommand=cat&c%6fmmand=%2Fetc%2Fshadow").token);
        assert!(facts("cmd=cat%20/etc/shadow").token, "as kubelets name it");
        assert_eq!(
            facts("recommand=cat&x=%2Fetc%2Fshadow"),
            CommandFacts::default()
        );
    }

    #[test]
    fn padding_hides_no_command() {
        let padding = "command=%20&".repeat(50_000);
        assert!(facts(&format!("{padding}command=cat&command=%2Fetc%2Fshadow")).token);
    }
}
