//! What can be built: [`Operation`], its parts, and the edges between operations.

use jiff::Timestamp;
use serde::Deserialize;

use super::{lenient, model};
use crate::json::Json;

/// A product, a subassembly or a process: anything that can be ordered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Operation {
    /// Pico's identifier; what orders are saved with.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// The part number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<String>,
    /// The revision.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_revision: Option<String>,
    /// The part number split at the bar character. Only newer Picos (generation G3) send it, and only a client of that
    /// generation asks for it; `None` otherwise.
    #[serde(default, deserialize_with = "lenient::texts")]
    pub external_codes: Option<Vec<String>>,
    /// The display name.
    pub name: String,
    /// The template it was made from.
    #[serde(rename = "templateID", default, deserialize_with = "lenient::text")]
    pub template_id: Option<String>,
    /// The variant of the template.
    #[serde(default)]
    pub variant_name: Option<String>,
    /// The serialised parts that the build needs.
    #[serde(default, deserialize_with = "lenient::list")]
    pub consumed_serials: Vec<Attribute>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was archived; `None` while it is in use.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) raw: Json,
}

model!(
    Operation,
    "Operation",
    [
        "id",
        "externalId",
        "externalRevision",
        "externalCodes",
        "name",
        "templateID",
        "variantName",
        "consumedSerials",
        "updatedAt",
        "archivedAt",
    ]
);

/// A serial, or on an [`Operation`] the slot for one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attribute {
    /// Pico's identifier of the attribute.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// The component's part number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<String>,
    /// The serial; `None` on an operation, where it is not captured yet.
    #[serde(default, deserialize_with = "lenient::text")]
    pub value: Option<String>,
}

/// One edge of the product structure, from a parent operation to a child operation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubOperation {
    /// The parent's [`Operation::id`].
    #[serde(default, deserialize_with = "lenient::text")]
    pub parent_id: Option<String>,
    /// The child's [`Operation::id`].
    #[serde(default, deserialize_with = "lenient::text")]
    pub sub_id: Option<String>,
    /// The routing group. Pico does not say what it means or what type it has; compare it, and no more.
    #[serde(default, deserialize_with = "lenient::text")]
    pub sub_group: Option<String>,
    /// When the edge was last changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) raw: Json,
}

model!(SubOperation, "SubOperation", ["parentId", "subId", "subGroup", "updatedAt"]);
