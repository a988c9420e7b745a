//! What the lists and the streams are narrowed by, from Python's arguments to the core's filters.

use pico_erp::{Error, NoteFilter, OperationFilter, OrderCompleteFilter, SubOperationFilter};

use crate::settings;

pub(crate) fn operations(
    id: Option<String>,
    external_id: Option<String>,
    external_revision: Option<String>,
) -> OperationFilter {
    let mut filter = OperationFilter::all();
    filter.id = id;
    filter.external_id = external_id;
    filter.external_revision = external_revision;
    filter
}

pub(crate) fn sub_operations(parent_id: Option<String>, sub_id: Option<String>) -> SubOperationFilter {
    let mut filter = SubOperationFilter::all();
    filter.parent_id = parent_id;
    filter.sub_id = sub_id;
    filter
}

pub(crate) fn order_completes(
    operation_id: Option<String>,
    external_order_id: Option<String>,
    order_index: Option<i64>,
) -> Result<OrderCompleteFilter, Error> {
    let mut filter = OrderCompleteFilter::all();
    filter.operation_id = operation_id;
    filter.external_order_id = external_order_id;
    filter.order_index = order_index.map(settings::order_index).transpose()?;
    Ok(filter)
}

pub(crate) fn notes(id: Option<String>, external_id: Option<String>) -> NoteFilter {
    let mut filter = NoteFilter::all();
    filter.id = id;
    filter.external_id = external_id;
    filter
}
