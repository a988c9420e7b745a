//! [`WorkProcess`], [`WorkStep`] and [`WorkAction`]: a work instruction, built with what Pico documents of it. What it does
//! not document goes in as JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::json::Json;

/// A text as Pico nests it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Text {
    text: String,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text }
    }
}

/// Adds a field that the type does not have. The last of one name counts, and one of the type's own fields is replaced
/// when the JSON is written.
fn add(extra: &mut Map<String, Value>, field: &str, value: &Json) -> Result<(), Error> {
    let value = value.decode().map_err(|error| Error::invalid(field, error))?;
    extra.insert(field.to_owned(), value);
    Ok(())
}

/// The JSON of a type, with the fields that were given as JSON laid over it.
fn laid_over(typed: &impl Serialize, extra: &Map<String, Value>) -> Value {
    match serde_json::to_value(typed) {
        Ok(Value::Object(mut fields)) => {
            fields.extend(extra.clone());
            Value::Object(fields)
        }
        // These types have no form but an object.
        _ => Value::Object(extra.clone()),
    }
}

/// A process to create: the steps of a piece of work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkProcess {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip)]
    steps: Vec<WorkStep>,
    #[serde(skip)]
    extra: Map<String, Value>,
}

impl WorkProcess {
    /// A process without steps. An id has 3 to 50 letters a to z, digits and underscores; case is ignored.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), description: None, steps: Vec::new(), extra: Map::new() }
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Adds a step after those that are there.
    #[must_use]
    pub fn step(mut self, step: WorkStep) -> Self {
        self.steps.push(step);
        self
    }

    /// Sets a field that Pico takes and this library does not know, or replaces one that it does.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when the value cannot be kept.
    pub fn extra(mut self, field: &str, value: &Json) -> Result<Self, Error> {
        add(&mut self.extra, field, value)?;
        Ok(self)
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut value = laid_over(self, &Map::new());
        value["steps"] = self.steps.iter().map(WorkStep::to_value).collect();
        laid_over(&value, &self.extra)
    }
}

/// A step of a process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkStep {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction_text: Option<Text>,
    #[serde(skip)]
    actions: Vec<WorkAction>,
    #[serde(skip)]
    extra: Map<String, Value>,
}

impl WorkStep {
    /// A step without actions.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            instruction_text: None,
            actions: Vec::new(),
            extra: Map::new(),
        }
    }

    /// Sets what the operator reads.
    #[must_use]
    pub fn instruction(mut self, text: impl Into<String>) -> Self {
        self.instruction_text = Some(text.into().into());
        self
    }

    /// Adds an action after those that are there.
    #[must_use]
    pub fn action(mut self, action: WorkAction) -> Self {
        self.actions.push(action);
        self
    }

    /// As [`WorkProcess::extra`]. An uploaded image or video belongs to a step, but Pico does not document by which field.
    ///
    /// # Errors
    /// As there.
    pub fn extra(mut self, field: &str, value: &Json) -> Result<Self, Error> {
        add(&mut self.extra, field, value)?;
        Ok(self)
    }

    fn to_value(&self) -> Value {
        let mut value = laid_over(self, &Map::new());
        value["actions"] = self.actions.iter().map(WorkAction::to_value).collect();
        laid_over(&value, &self.extra)
    }
}

/// What an operator does in a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkAction {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Text>,
    #[serde(skip)]
    extra: Map<String, Value>,
}

impl WorkAction {
    /// An action without a description.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), description: None, extra: Map::new() }
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into().into());
        self
    }

    /// As [`WorkProcess::extra`].
    ///
    /// # Errors
    /// As there.
    pub fn extra(mut self, field: &str, value: &Json) -> Result<Self, Error> {
        add(&mut self.extra, field, value)?;
        Ok(self)
    }

    fn to_value(&self) -> Value {
        laid_over(self, &self.extra)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_builders_write_what_pico_documents_and_what_was_added() {
        let media = Json::new(r#"["/api/v1/images/a.jpg"]"#).unwrap();
        let process = WorkProcess::new("assembly_step_1", "Main Assembly")
            .description("all of it")
            .step(
                WorkStep::new("step_1", "Cover")
                    .instruction("Fit it.")
                    .action(WorkAction::new("action_1").description("fitted"))
                    .extra("media", &media)
                    .unwrap(),
            )
            .extra("name", &Json::new("\"Other\"").unwrap())
            .unwrap();
        assert_eq!(
            process.to_value(),
            json!({
                "id": "assembly_step_1",
                "name": "Other",
                "description": "all of it",
                "steps": [{
                    "id": "step_1",
                    "name": "Cover",
                    "instructionText": { "text": "Fit it." },
                    "actions": [{ "id": "action_1", "description": { "text": "fitted" } }],
                    "media": ["/api/v1/images/a.jpg"],
                }],
            })
        );
    }
}
