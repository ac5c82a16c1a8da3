//! What is taken out of a statement, and what is left to SQLite.

use super::*;
use crate::base::Time;

fn taken(statement: &str) -> Option<(String, Grouping)> {
    let (rest, mut groupings) = take_out(statement);
    groupings.pop().map(|grouping| (rest, grouping))
}

#[test]
fn a_select_is_taken_out_and_what_is_around_it_stays() {
    let inner = "select Principal, count(*) n, min(time) FROM events WHERE verb = 'it''s' AND code in (401, 403) \
AND time >= '2026-03-02' GROUP BY 1, stage";
    let (rest, grouping) =
        taken(&format!("SELECT max(n) FROM ({inner}) AS t WHERE n > 1")).unwrap();
    let columns = "k0 AS \"principal\", +a0 AS \"n\", +a1 AS \"min(time)\"";
    assert_eq!(
        rest,
        format!("SELECT max(n) FROM (SELECT {columns} FROM main.grouped_0) AS t WHERE n > 1")
    );
    let column = |name: &str| {
        TABLES[0]
            .columns
            .iter()
            .position(|column| column.name == name)
            .unwrap()
    };
    let filter = Filter {
        texts: vec![("verb", vec!["it's".to_owned()])],
        numbers: vec![("code", vec![401, 403])],
        from: Time::parse("2026-03-02T00:00:00Z"),
        until: None,
    };
    let (by, aggregates) = (
        vec![column("principal"), column("stage")],
        vec![Aggregate::Count, Aggregate::Min(column("time"))],
    );
    assert_eq!(
        grouping,
        Grouping {
            rollup: false,
            filter,
            by,
            aggregates,
            top: None
        }
    );
    let whole = "SELECT verb, sum(count) AS n FROM operations_daily GROUP BY verb";
    for tail in ["", ";", " ORDER BY n DESC, 1 LIMIT 5 OFFSET 2"] {
        let (rest, grouping) = taken(&format!("{whole}{tail}")).unwrap();
        assert_eq!(
            rest,
            format!("SELECT k0 AS \"verb\", +a0 AS \"n\" FROM main.grouped_0{tail}")
        );
        assert!(grouping.rollup);
        let top = Top {
            aggregate: 0,
            is_descending: true,
            count: 7,
        };
        assert_eq!(grouping.top, tail.contains("LIMIT").then_some(top));
    }
    let first = |tail: &str| {
        taken(&format!(
            "SELECT min(time), verb, count(*) FROM events GROUP BY 2 {tail}"
        ))
        .unwrap()
        .1
        .top
    };
    assert_eq!(
        first("ORDER BY 3, 1 LIMIT 1"),
        Some(Top {
            aggregate: 1,
            is_descending: false,
            count: 1
        })
    );
    for other in ["ORDER BY verb, 1 LIMIT 1", "ORDER BY 1", "LIMIT 1"] {
        assert_eq!(first(other), None, "{other}");
    }
}

#[test]
fn what_is_not_known_word_for_word_is_left_to_sqlite() {
    let left = [
        "SELECT verb, count(*) FROM events",
        "SELECT count(*) FROM events GROUP BY verb HAVING count(*) > 1",
        "SELECT count(*) FROM events GROUP BY verb ORDER BY verb",
        "SELECT count(*) FROM events GROUP BY verb ORDER BY 1 + 1",
        "SELECT count(*) FROM events GROUP BY verb UNION SELECT 1",
        "SELECT count(*) FROM events e GROUP BY verb",
        "SELECT count(*) FROM events, incidents GROUP BY verb",
        "SELECT count(*) FROM incidents GROUP BY kind",
        "SELECT name, count(*) FROM events GROUP BY verb",
        "SELECT DISTINCT verb FROM events GROUP BY verb",
        "SELECT count(DISTINCT verb) FROM events GROUP BY verb",
        "SELECT count(*) FILTER (WHERE code = 1) FROM events GROUP BY verb",
        "SELECT sum(time) FROM events GROUP BY verb",
        "SELECT count(*) FROM events WHERE verb = 1 GROUP BY verb",
        "SELECT count(*) FROM events WHERE verb = name GROUP BY verb",
        "SELECT count(*) FROM events WHERE verb = 'a' OR code = 1 GROUP BY verb",
        "SELECT count(*) FROM events WHERE verb = 'a' COLLATE NOCASE GROUP BY verb",
        "SELECT count(*) FROM events WHERE code = -1 GROUP BY verb",
        "SELECT count(*) FROM events WHERE time > '2026-03-02 10' GROUP BY verb",
        "SELECT count(*) FROM events WHERE time > '2026-03-02T10:00:00Z' GROUP BY verb",
        "SELECT count(*) FROM events WHERE time = '2026-03-02' GROUP BY verb",
        "SELECT count(*) FROM operations_daily WHERE first > '2026-03-02' GROUP BY verb",
        "WITH events AS (SELECT 1 AS verb) SELECT count(*) FROM (SELECT count(*) FROM events GROUP BY verb)",
        "WITH \"Events\"(verb) AS (SELECT 1) SELECT count(*) FROM (SELECT count(*) FROM events GROUP BY verb)",
        "WITH 'events' AS (SELECT 1 AS verb) SELECT count(*) FROM (SELECT count(*) FROM events GROUP BY verb)",
        "SELECT '(SELECT count(*) FROM events GROUP BY verb)'",
        "SELECT verb, count(*) AS Verb FROM events GROUP BY verb ORDER BY verb",
        "SELECT * FROM (SELECT verb, count(*) FROM events GROUP BY verb) WHERE verb = 'get'",
    ];
    for statement in left {
        assert_eq!(
            take_out(statement),
            (statement.to_owned(), Vec::new()),
            "{statement}"
        );
    }
}
