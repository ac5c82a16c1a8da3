//! OpenTelemetry logs in their JSON form (opentelemetry-proto, `logs/v1`): the event is the body of
//! a record.

use super::carrier::Carrier;
use super::members::{Members, elements};
use super::opened::Opening;
use serde_json::{Map, Value};

/// Levels of an `AnyValue`.
const NESTING_MAX: u32 = 64;

/// `resourceLogs[].scopeLogs[].logRecords[]`, or one record.
pub(super) fn open(opening: &mut Opening<'_>, members: &Members<'_>, depth: u32) -> bool {
    let Some(resources) = members.get("resourceLogs").and_then(elements) else {
        return record(opening, members, depth);
    };
    for scopes in resources.into_iter().filter_map(|r| below(r, "scopeLogs")) {
        for records in scopes.into_iter().filter_map(|s| below(s, "logRecords")) {
            for one in records.into_iter().filter_map(Members::of) {
                if !record(opening, &one, depth) {
                    opening.carriers.foreign += 1;
                }
            }
        }
    }
    opening.carriers.note(Carrier::Otlp);
    true
}

fn below<'a>(object: &'a str, name: &str) -> Option<Vec<&'a str>> {
    elements(Members::of(object)?.get(name)?)
}

fn record(opening: &mut Opening<'_>, record: &Members<'_>, depth: u32) -> bool {
    let Some(body) = record.object("body") else {
        return false;
    };
    if let Some(text) = body.text("stringValue") {
        opening.carriers.note(Carrier::Otlp);
        opening.message(&text, depth + 1, None);
        return true;
    }
    // A collector that parsed the event hands out its members one by one.
    let Some(list) = body.get("kvlistValue") else {
        return false;
    };
    let Ok(list) = serde_json::from_str::<Value>(list) else {
        return false;
    };
    opening.carriers.note(Carrier::Otlp);
    opening.message(&object(&list, 0).to_string(), depth + 1, None);
    true
}

/// The JSON that an `AnyValue` stands for.
fn plain(value: &Value, nesting: u32) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        _ if nesting > NESTING_MAX => Value::Null,
        "kvlistValue" => object(value, nesting),
        "arrayValue" => {
            let values = value["values"].as_array().into_iter().flatten();
            values.map(|value| plain(value, nesting + 1)).collect()
        }
        // 64-bit integers are strings in the JSON form of protobuf.
        "intValue" => match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

fn object(list: &Value, nesting: u32) -> Value {
    let members = list["values"].as_array().into_iter().flatten();
    let members = members.filter_map(|member| {
        let key = member["key"].as_str()?.to_owned();
        Some((key, plain(&member["value"], nesting + 1)))
    });
    Value::Object(members.collect::<Map<_, _>>())
}
