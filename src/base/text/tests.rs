//! Nothing hostile comes out, and no secret.

use super::*;
use proptest::prelude::*;

const KEPT: [&str; 14] = [
    "token of kube-system/app",
    "Secret shop/db",
    "a Secret: shop/db was read",
    "create serviceaccounts/token in kube-system",
    "system:serviceaccount:kube-system:token-cleaner",
    "system:serviceaccount:vault:secrets-manager",
    "/api/v1/namespaces/shop/secrets/db-password",
    "/api/v1/secrets?limit=500&resourceVersion=0",
    "kubectl/v1.31.0 (linux/amd64) kubernetes/abc",
    "legacy-token.kubernetes.io",
    "JTI=5f0a0f6e-9d11-4a07-9a6e-7a1a3b0f2c11",
    "10.0.0.1:6443",
    "the key of the story",
    "Müller reads secrets",
];

const GONE: [&str; 18] = [
    "/exec?command=--token&command=hunter22&stdin=true",
    "/exec?command=--token=hunter22",
    "/exec?command=--password%3Dhunter22",
    "/exec?command=sh&command=-c&command=DB_PASSWORD%3Dhunter22+psql",
    "/x?access_token=hunter22",
    "/x?apikey=hunter22&a=b",
    "/x?client_secret=hunter22",
    "/x?X-Api-Key:hunter22",
    "Authorization: Bearer hunter22",
    "command=Authorization%3A%20Bearer%20hunter22",
    "command=-H&command=Authorization:+Basic+hunter22",
    "{\"password\":\"hunter22\"}",
    "aws_secret_access_key=hunter22",
    "tok\u{200b}en=hunter22",
    "/exec?command=sh&command=-c&command=DB_PASSWORD%3D%27hunter22+or+so%27+psql",
    "/exec?command=curl&command=-H&command=X-Api-Key%3A+hunter22",
    "/proxy/run/n/p/c?cmd=login+--password%3Dhunter22",
    "/exec?%63ommand=--token&c%6Fmmand=hunter22",
];

/// A command, and what has to be left of it.
const LEFT: [(&str, &str); 5] = [
    (
        "?command=sh&command=eval+%22%240%22+%23secret&command=cat+%2Fetc%2Fshadow",
        "%2Fetc%2Fshadow",
    ),
    (
        "?command=sh&command=-c&command=secret%3Dx%3Bcat+%2Fetc%2Fshadow",
        "cat+%2Fetc%2Fshadow",
    ),
    (
        "?command=sh&command=-c&command=token%3Dx+nc+-e+%2Fbin%2Fsh",
        "nc+-e+%2Fbin%2Fsh",
    ),
    (
        "?command=sh&command=--token&command=cat+%2Fetc%2Fshadow",
        "%2Fetc%2Fshadow",
    ),
    (
        "?command=kubectl&command=get&command=secret&command=db",
        "command=db",
    ),
];

#[test]
fn a_telling_word_hides_its_value_and_not_the_command() {
    for (text, left) in LEFT {
        let shown = clean(text);
        assert!(shown.ends_with(left), "{text} -> {shown}");
        assert_eq!(clean(&shown), shown);
    }
}

#[test]
fn plain_words_are_kept_as_they_are() {
    for text in KEPT {
        assert_eq!(clean(text), text);
    }
    assert!(matches!(clean("get pods in shop"), Cow::Borrowed(_)));
}

#[test]
fn values_that_follow_a_telling_word_are_gone() {
    for text in GONE {
        let shown = clean(text);
        assert!(
            !shown.contains("hunter22") && shown.contains(REDACTED),
            "{text} -> {shown}"
        );
    }
    assert_eq!(clean("/x?token=abc&limit=5"), "/x?token=[redacted]&limit=5");
}

#[test]
fn a_token_cut_by_a_character_that_shows_nothing_is_gone() {
    let shown = clean("eyJhbGci\u{200b}OiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln");
    assert!(
        !shown.contains("UzI1NiJ9") && !shown.contains("eyJ"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn nothing_hostile_comes_out_and_cleaning_twice_changes_nothing(text in any::<String>()) {
        let once = clean(&text).into_owned();
        prop_assert!(!once.contains(is_hostile));
        prop_assert_eq!(clean(&once), once.as_str());
    }

    #[test]
    fn telling_words_in_any_order_are_cleaned_once_and_for_all(
        parts in prop::collection::vec(
            prop::sample::select(vec!["token", "key", "=", ":", "&command=", "?command=", "--", "+", "%27", "%3B", "%3D", "Bearer ", "secret", "eyJ", " ", "authorization", "abcdefgh12", "-----BEGIN X-----", "'", "[", "\u{202e}", "\n"]), 0..10)
    ) {
        let once = clean(&parts.concat()).into_owned();
        prop_assert!(!once.contains(is_hostile));
        prop_assert_eq!(clean(&once), once.as_str());
    }

    #[test]
    fn tokens_and_keys_are_gone_wherever_they_stand(
        before in any::<String>(), after in any::<String>(),
        header in "[A-Za-z0-9_-]{12,40}", payload in "[A-Za-z0-9_-]{12,80}", signature in "[A-Za-z0-9_-]{20,60}",
    ) {
        let shown = clean(&format!("{before}eyJ{header}.eyJ{payload}.{signature}{after}")).into_owned();
        prop_assert!(!shown.contains(&header) && !shown.contains(&payload) && !shown.contains(&signature), "{}", shown);
        let pem = format!("{before}-----BEGIN PRIVATE KEY-----\n{payload}\n-----END PRIVATE KEY-----{after}");
        prop_assert!(!clean(&pem).contains(&payload));
    }
}

#[test]
fn what_is_cut_ends_with_a_whole_character() {
    assert_eq!((cut("äöü", 3), cut("äöü", 9)), ("ä", "äöü"));
    assert_eq!(
        (shortened("äöü", 6), shortened("äöüß", 7)),
        ("äöü".into(), "äö\u{2026}".into())
    );
}
