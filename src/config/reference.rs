//! The reference page of the settings, from their types and their documentation.
//!
//! Refuses words of its own: what is wrong on the page is wrong where the setting is defined.

use super::File;
use crate::detect::profile::Profile;
use serde_json::Value;
use std::fmt::Write;

const HEAD: &str = "# Settings\n\n\
<!-- Generated from the types: UPDATE_REFERENCE=1 cargo test --test reference -->\n\n\
One YAML file: the one given with `--config`, else `/etc/tokentrail/tokentrail.yaml`, else the bundled\n\
[`config/tokentrail.yaml`](../../config/tokentrail.yaml), which shows every setting with its default and when to\n\
change it. Unknown settings are errors. Changes of the file take effect within seconds (SIGHUP hurries it), but\n\
for `daemon`, `receive` and `limits`, which need a restart; a file with an error changes nothing.\n";

/// The JSON schema of the file, for editors.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(File).to_value()
}

/// `docs/reference/config.md`.
#[must_use]
pub fn markdown() -> String {
    let schema = schema();
    let defaults = serde_json::to_value(File::default()).unwrap_or_default();
    let mut page = HEAD.to_owned();
    let sections = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in sections {
        let target = resolve(&schema, property);
        let _ = write!(page, "\n## `{name}`\n\n{}\n", about(property, target));
        page.push_str("\n| setting | type | default | meaning |\n|---|---|---|---|\n");
        if let Some(fields) = target["properties"].as_object() {
            for (field, property) in fields {
                row(
                    &mut page,
                    &schema,
                    &format!("{name}.{field}"),
                    property,
                    Some(&defaults[name][field]),
                );
            }
            continue;
        }
        row(&mut page, &schema, name, property, Some(&defaults[name]));
        let each = resolve(&schema, &target["additionalProperties"]);
        for (field, property) in each["properties"].as_object().into_iter().flatten() {
            let path = format!("{name}.<id>.{field}");
            row(&mut page, &schema, &path, property, property.get("default"));
            let inner = resolve(&schema, property["anyOf"].get(0).unwrap_or(&Value::Null));
            for (field, property) in inner["properties"].as_object().into_iter().flatten() {
                row(
                    &mut page,
                    &schema,
                    &format!("{path}.{field}"),
                    property,
                    property.get("default"),
                );
            }
        }
    }
    profiles(&mut page);
    page
}

/// What the words of `profile` mean.
fn profiles(page: &mut String) {
    page.push_str(
        "\n## What a profile decides\n\nIn force where the setting itself still has its default: a value of yours wins.\n\
         `tokentrail backtest` says what each would have told.\n\n",
    );
    let names = Profile::ALL.map(Profile::label).join(" | ");
    let _ = writeln!(page, "| setting | {names} |\n|---|---|---|---|");
    for (setting, values) in Profile::table() {
        let _ = writeln!(page, "| `{setting}` | {} |", values.join(" | "));
    }
}

fn row(page: &mut String, schema: &Value, path: &str, property: &Value, default: Option<&Value>) {
    let target = resolve(schema, property);
    let default = default.unwrap_or(&Value::Null);
    let meaning = about(property, target);
    let _ = writeln!(
        page,
        "| `{path}` | {} | `{default}` | {meaning} |",
        kind(schema, property)
    );
}

/// One line: the documentation of the field, else of its type.
fn about(property: &Value, target: &Value) -> String {
    let text = property["description"]
        .as_str()
        .or_else(|| target["description"].as_str())
        .unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn resolve<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let name = property["$ref"].as_str().and_then(|r| r.rsplit('/').next());
    name.map_or(property, |name| &schema["$defs"][name])
}

fn kind(schema: &Value, property: &Value) -> String {
    let target = resolve(schema, property);
    if let Some(choices) = target.get("anyOf").and_then(Value::as_array) {
        let kinds: Vec<String> = choices.iter().map(|c| kind(schema, c)).collect();
        return kinds.join(" or ");
    }
    let variants = target
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let named: Vec<String> = variants
        .clone()
        .filter_map(|v| v["required"][0].as_str())
        .map(|w| format!("`{w}:`"))
        .collect();
    if !named.is_empty() {
        return named.join(" or ");
    }
    let words: Vec<String> = variants
        .filter_map(|v| v["const"].as_str())
        .map(|w| format!("`{w}`"))
        .collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    match &target["type"] {
        Value::String(one) if one == "array" => {
            format!("list of {}", kind(schema, &target["items"]))
        }
        Value::String(one) if one == "object" => "mapping".to_owned(),
        Value::String(one) => one.clone(),
        Value::Array(several) => several
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "any".to_owned(),
    }
}
