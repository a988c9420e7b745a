//! What a sandbox knows when it starts: operations and the edges between them, in a TOML file that a person can
//! edit, or built in. It holds descriptions only; `catalogue` turns them into the operations that are served.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::model::Attribute;
use crate::time::Time;

/// The text of the built-in seed, to be written to a file and edited.
pub const BUILTIN_SEED: &str = include_str!("seed.toml");

/// The operations and edges that a sandbox starts with.
///
/// ```
/// # fn main() -> Result<(), pico_erp_sandbox::Error> {
/// let seed = pico_erp_sandbox::Seed::from_toml_str(r#"
///     [[operations]]
///     id = "op-1"
///     externalId = "PART-1"
///     name = "Gear box"
///     consumedSerials = [{ id = "attr-1", externalId = "GEAR-7" }]
/// "#)?;
/// assert_eq!(seed.operations[0].name, "Gear box");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Seed {
    /// Products, subassemblies and processes.
    pub operations: Vec<OperationSpec>,
    /// Which operation contains which.
    pub sub_operations: Vec<SubOperationSpec>,
}

/// An operation as a seed or the control API describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationSpec {
    /// Pico's identifier.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_revision: Option<String>,
    /// The part number's parts; absent: the part number split at the bar character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_codes: Option<Vec<String>>,
    /// The template.
    #[serde(default, rename = "templateID", skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    /// The variant of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_name: Option<String>,
    /// Slots for the serials of the parts that are built in.
    #[serde(default)]
    pub consumed_serials: Vec<Attribute>,
    /// The last change; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// When it was archived; absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Time>,
}

impl OperationSpec {
    /// An operation with an id and a name, and nothing else.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        OperationSpec { id: id.into(), name: name.into(), ..OperationSpec::default() }
    }

    /// The same with a part number.
    #[must_use]
    pub fn part(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }

    /// The same with a revision.
    #[must_use]
    pub fn revision(mut self, external_revision: impl Into<String>) -> Self {
        self.external_revision = Some(external_revision.into());
        self
    }

    /// The same with one more slot for the serial of a part that is built in.
    #[must_use]
    pub fn consumes(mut self, id: impl Into<String>, external_id: impl Into<String>) -> Self {
        let slot = Attribute { id: Some(id.into()), external_id: Some(external_id.into()), value: None };
        self.consumed_serials.push(slot);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.id.trim().is_empty() {
            return Err(Error::invalid("id: must not be empty"));
        }
        if self.name.trim().is_empty() {
            return Err(Error::invalid("name: must not be empty"));
        }
        Ok(())
    }
}

/// An edge as a seed or the control API describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubOperationSpec {
    /// The operation that contains the other.
    pub parent_id: String,
    /// The operation that is contained.
    pub sub_id: String,
    /// Children of one group may be built side by side; a lower group comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_group: Option<i32>,
    /// Whether an order includes it only when its `selectOptionalOperationIds` names it. Pico's API does not
    /// show this; the sandbox needs it for the waterfall.
    #[serde(default)]
    pub optional: bool,
}

impl Seed {
    /// The built-in seed: the operations of Pico's documentation and a small product tree.
    pub fn builtin() -> Self {
        // The text is part of the crate, and a test reads it: it cannot fail at run time.
        Seed::from_toml_str(BUILTIN_SEED).expect("the built-in seed is valid")
    }

    /// Reads a seed from TOML text.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Seed`]; the message names the line or the entry, and the field.
    pub fn from_toml_str(text: &str) -> Result<Self, Error> {
        let seed: Seed = toml::from_str(text).map_err(|error| {
            Error::seed(format!("the seed is not valid: {}", error.to_string().trim_end())).caused_by(error)
        })?;
        seed.check()?;
        Ok(seed)
    }

    /// Reads a seed from a TOML file.
    ///
    /// # Errors
    ///
    /// As [`Seed::from_toml_str`], with the file's name in front; [`ErrorKind::Io`] when it cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot read the seed file {}: {error}", path.display()))
                .caused_by(error)
        })?;
        Seed::from_toml_str(&text)
            .map_err(|error| Error::seed(format!("{}: {error}", path.display())).caused_by(error))
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut ids: HashMap<&str, usize> = HashMap::new();
        for (at, operation) in self.operations.iter().enumerate() {
            operation.check().map_err(|error| Error::seed(format!("operations[{at}].{error}")))?;
            if let Some(first) = ids.insert(&operation.id, at) {
                let id = &operation.id;
                return Err(Error::seed(format!(
                    "operations[{at}].id: `{id}` is already the id of operations[{first}]"
                )));
            }
        }
        let mut edges = Edges::default();
        for (at, edge) in self.sub_operations.iter().enumerate() {
            for (field, id) in [("parentId", &edge.parent_id), ("subId", &edge.sub_id)] {
                if !ids.contains_key(id.as_str()) {
                    return Err(Error::seed(format!("subOperations[{at}].{field}: no operation `{id}`")));
                }
            }
            if edges.would_loop(&edge.parent_id, &edge.sub_id) {
                let (parent, sub) = (&edge.parent_id, &edge.sub_id);
                return Err(Error::seed(format!(
                    "subOperations[{at}].subId: `{sub}` already contains `{parent}`"
                )));
            }
            edges.add(&edge.parent_id, &edge.sub_id);
        }
        Ok(())
    }
}

/// Who contains whom, to refuse an edge that would close a loop: the waterfall walks down these edges.
#[derive(Default)]
pub(crate) struct Edges<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Edges<'a> {
    pub(crate) fn add(&mut self, parent: &'a str, sub: &'a str) {
        self.0.entry(parent).or_default().push(sub);
    }

    pub(crate) fn would_loop(&self, parent: &str, sub: &str) -> bool {
        let mut todo = vec![sub];
        let mut seen = HashSet::new();
        while let Some(id) = todo.pop() {
            if id == parent {
                return true;
            }
            if let Some(subs) = self.0.get(id) {
                todo.extend(subs.iter().copied().filter(|sub| seen.insert(*sub)));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let error = Seed::from_toml_str(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Seed);
        error.to_string()
    }

    #[test]
    fn the_builtin_seed_has_the_operations_of_the_documentation() {
        let seed = Seed::builtin();
        let main = seed.operations.iter().find(|operation| operation.id == "op-abc-123").unwrap();
        assert_eq!(main.external_id.as_deref(), Some("PROD-101"));
        assert_eq!(main.name, "Main Assembly");
        assert_eq!(main.updated_at.unwrap().to_string(), "2025-01-15T10:00:00.000Z");
        let slots: Vec<_> = main
            .consumed_serials
            .iter()
            .map(|slot| (slot.id.as_deref().unwrap(), slot.external_id.as_deref().unwrap()))
            .collect();
        assert_eq!(slots, [("attr-serial-1", "COMP-200"), ("attr-serial-2", "COMP-300")]);
        for id in ["prod-123", "your-operation-id", "op-opt-1"] {
            assert!(seed.operations.iter().any(|operation| operation.id == id), "{id}");
        }
        assert!(!seed.sub_operations.is_empty());
    }

    #[test]
    fn a_misspelt_field_is_named_with_its_line() {
        let message = refusal("[[operations]]\nid = \"a\"\nnmae = \"A\"\n");
        assert!(message.contains("line 3") && message.contains("unknown field `nmae`"), "{message}");
    }

    #[test]
    fn a_missing_field_is_named() {
        let message = refusal("[[operations]]\nid = \"a\"\n");
        assert!(message.contains("missing field `name`"), "{message}");
    }

    #[test]
    fn an_empty_name_is_named_with_its_entry() {
        let message = refusal("[[operations]]\nid = \"a\"\nname = \"\"\n");
        assert_eq!(message, "operations[0].name: must not be empty");
    }

    #[test]
    fn a_bad_time_is_refused_with_its_line() {
        let message = refusal("[[operations]]\nid = \"a\"\nname = \"A\"\nupdatedAt = \"soon\"\n");
        assert!(message.contains("line 4") && message.contains("`soon` is no RFC 3339 time"), "{message}");
    }

    #[test]
    fn an_id_given_twice_is_refused() {
        let message =
            refusal("[[operations]]\nid = \"a\"\nname = \"A\"\n[[operations]]\nid = \"a\"\nname = \"B\"\n");
        assert_eq!(message, "operations[1].id: `a` is already the id of operations[0]");
    }

    #[test]
    fn an_edge_to_nowhere_and_a_loop_are_refused() {
        let operations =
            "[[operations]]\nid = \"a\"\nname = \"A\"\n[[operations]]\nid = \"b\"\nname = \"B\"\n";
        let message = refusal(&format!("{operations}[[subOperations]]\nparentId = \"a\"\nsubId = \"c\"\n"));
        assert_eq!(message, "subOperations[0].subId: no operation `c`");
        let message = refusal(&format!(
            "{operations}[[subOperations]]\nparentId = \"a\"\nsubId = \"b\"\n\
             [[subOperations]]\nparentId = \"b\"\nsubId = \"a\"\n"
        ));
        assert_eq!(message, "subOperations[1].subId: `a` already contains `b`");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Seed::from_file("no/such/seed.toml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().starts_with("cannot read the seed file no/such/seed.toml: "), "{error}");
    }
}
