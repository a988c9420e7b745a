//! [`ImportedOrder`]: one line of a file, checked; and the columns that it can have.

use crate::error::Error;

/// The most units that one line can be about: beyond lies a typing error rather than an order.
const MOST_UNITS: u32 = 100_000;

/// What is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportedOperation {
    /// The operation of this id.
    Id(String),
    /// The operation of this part, to be looked up.
    Part(PartRevision),
}

/// A part by the ERP's number, in one revision or the newest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartRevision {
    /// The part number.
    pub part_number: String,
    /// The revision, where one is named.
    pub revision: Option<String>,
}

/// One line of an imported file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedOrder {
    /// The ERP's order id.
    pub external_order_id: String,
    /// What is to be built.
    pub operation: ImportedOperation,
    /// The first unit.
    pub order_index: u32,
    /// How many units, counted up from the first.
    pub quantity: u32,
    /// The optional operations to include.
    pub select_optional_operation_ids: Vec<String>,
}

/// A column of a file, or a field of a JSON line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    ExternalOrderId,
    OperationId,
    OrderIndex,
    SelectOptionalOperationIds,
    Quantity,
    PartNumber,
    Revision,
}

impl Column {
    const ALL: [Self; 7] = [
        Self::ExternalOrderId,
        Self::OperationId,
        Self::OrderIndex,
        Self::SelectOptionalOperationIds,
        Self::Quantity,
        Self::PartNumber,
        Self::Revision,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ExternalOrderId => "externalOrderId",
            Self::OperationId => "operationId",
            Self::OrderIndex => "orderIndex",
            Self::SelectOptionalOperationIds => "selectOptionalOperationIds",
            Self::Quantity => "quantity",
            Self::PartNumber => "partNumber",
            Self::Revision => "revision",
        }
    }

    /// The column of that name, in camel or snake case, or as people write it.
    pub(super) fn named(name: &str) -> Option<Self> {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
        };
        let name = plain(name);
        Self::ALL.into_iter().find(|column| plain(column.name()) == name)
    }

    /// All names, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

/// An error at a place of a file.
pub(super) fn at(line: u64, column: &str, problem: impl std::fmt::Display) -> Error {
    Error::invalid(&format!("line {line}, {column}"), problem)
}

/// The texts of one line before they are understood. What is empty is not there.
#[derive(Debug, Default)]
pub(super) struct Texts([Option<String>; 7]);

impl Texts {
    pub(super) fn set(&mut self, column: Column, text: &str) {
        let text = text.trim();
        self.0[column as usize] = (!text.is_empty()).then(|| text.to_owned());
    }

    fn take(&mut self, column: Column) -> Option<String> {
        self.0[column as usize].take()
    }

    fn number(&mut self, line: u64, column: Column, least: u32, most: u32) -> Result<Option<u32>, Error> {
        let Some(text) = self.take(column) else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => {
                Err(at(line, column.name(), format!("\"{text}\" is no whole number from {least} to {most}")))
            }
        }
    }

    pub(super) fn order(mut self, line: u64) -> Result<ImportedOrder, Error> {
        let largest = i32::MAX.cast_unsigned();
        let external_order_id = self.take(Column::ExternalOrderId).ok_or_else(|| {
            at(line, Column::ExternalOrderId.name(), "is empty; give the ERP's id of the order")
        })?;
        let order_index = self.number(line, Column::OrderIndex, 0, largest)?.unwrap_or(0);
        let quantity = self.number(line, Column::Quantity, 1, MOST_UNITS)?.unwrap_or(1);
        if quantity - 1 > largest - order_index {
            return Err(at(line, Column::Quantity.name(), "leads beyond the largest order index"));
        }
        let id = self.take(Column::OperationId);
        let part = self.take(Column::PartNumber);
        let revision = self.take(Column::Revision);
        let operation = match (id, part) {
            (Some(id), None) => ImportedOperation::Id(id),
            (None, Some(part_number)) => ImportedOperation::Part(PartRevision { part_number, revision }),
            (Some(_), Some(_)) => {
                return Err(at(
                    line,
                    Column::OperationId.name(),
                    "is given as well as partNumber; give one of them",
                ));
            }
            (None, None) => {
                return Err(at(line, Column::OperationId.name(), "is empty; give it or a partNumber"));
            }
        };
        let ids = self.take(Column::SelectOptionalOperationIds).unwrap_or_default();
        let select_optional_operation_ids =
            ids.split(';').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        Ok(ImportedOrder {
            external_order_id,
            operation,
            order_index,
            quantity,
            select_optional_operation_ids,
        })
    }
}
