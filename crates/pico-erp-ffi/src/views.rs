//! The typed views: transparent structs that C reads, filled from the core's types.
//!
//! A view points into an [`Arena`] that lives beside it, in a list or in an event.

use std::ffi::c_char;
use std::fmt::Display;
use std::ptr;
use std::sync::OnceLock;

use pico_erp::{Attribute, Model, NoteEvent, Operation, OrderComplete, SubOperation, Webhook};

use crate::text::Arena;

/// In place of a time that is absent.
pub const PICO_NO_TIME: i64 = i64::MIN;

/// A serial, or on an operation the slot for one. Every text may be NULL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pico_attribute_t {
    /// Pico's identifier of the attribute.
    pub id: *const c_char,
    /// The component's part number.
    pub external_id: *const c_char,
    /// The serial; NULL on an operation, where it is not captured yet.
    pub value: *const c_char,
}

/// A product, a subassembly or a process: anything that can be ordered. What Pico did not send is NULL.
/// Newer versions of the library add fields at the end and say so in struct_size.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pico_operation_t {
    /// Size of this struct as the library knows it.
    pub struct_size: u32,
    /// Pico's identifier; what orders are saved with.
    pub id: *const c_char,
    /// The part number.
    pub external_id: *const c_char,
    /// The revision.
    pub external_revision: *const c_char,
    /// The display name; never NULL.
    pub name: *const c_char,
    /// The template it was made from.
    pub template_id: *const c_char,
    /// The variant of the template.
    pub variant_name: *const c_char,
    /// The serialised parts that the build needs.
    pub consumed_serials: *const pico_attribute_t,
    /// How many there are.
    pub consumed_serials_count: usize,
    /// When it was last changed, RFC 3339 in UTC; never NULL.
    pub updated_at: *const c_char,
    /// The same in milliseconds since 1970.
    pub updated_at_ms: i64,
    /// When it was archived; NULL while it is in use.
    pub archived_at: *const c_char,
    /// The same in milliseconds since 1970, or PICO_NO_TIME.
    pub archived_at_ms: i64,
    /// The object as the server sent it; NUL-terminated.
    pub json: *const c_char,
    /// Its length without the NUL.
    pub json_len: usize,
    /// The part number split at the bar character, where a newer Pico (generation G3) sent it; none of them is
    /// NULL.
    pub external_codes: *const *const c_char,
    /// How many there are; 0 also where Pico did not send it.
    pub external_codes_count: usize,
}

/// One edge of the product structure, from a parent operation to a child operation. What Pico did not send
/// is NULL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pico_sub_operation_t {
    /// Size of this struct as the library knows it.
    pub struct_size: u32,
    /// The id of the parent operation.
    pub parent_id: *const c_char,
    /// The id of the child operation.
    pub sub_id: *const c_char,
    /// The routing group. Pico does not say what it means; compare it, and no more.
    pub sub_group: *const c_char,
    /// When the edge was last changed, RFC 3339 in UTC.
    pub updated_at: *const c_char,
    /// The same in milliseconds since 1970, or PICO_NO_TIME.
    pub updated_at_ms: i64,
    /// The object as the server sent it; NUL-terminated.
    pub json: *const c_char,
    /// Its length without the NUL.
    pub json_len: usize,
}

/// A completed order. What Pico did not send is NULL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pico_order_complete_t {
    /// Size of this struct as the library knows it.
    pub struct_size: u32,
    /// Which unit of the order, from 0; -1 when Pico did not say.
    pub order_index: i32,
    /// The ERP's order id; never NULL.
    pub external_order_id: *const c_char,
    /// The id of the operation that was completed. With child orders this may be a part of what was ordered.
    pub operation_id: *const c_char,
    /// Its part number.
    pub operation_external_id: *const c_char,
    /// Its revision.
    pub operation_external_revision: *const c_char,
    /// Its display name.
    pub operation_name: *const c_char,
    /// When it was completed, RFC 3339 in UTC; never NULL.
    pub at: *const c_char,
    /// The same in milliseconds since 1970.
    pub at_ms: i64,
    /// When the first process was started.
    pub started_at: *const c_char,
    /// The same in milliseconds since 1970, or PICO_NO_TIME.
    pub started_at_ms: i64,
    /// The serials of the parts that were built in.
    pub consumed_serials: *const pico_attribute_t,
    /// How many there are.
    pub consumed_serials_count: usize,
    /// The serial of the finished unit, when one was captured.
    pub produced_serial: *const c_char,
    /// The object as the server sent it; NUL-terminated.
    pub json: *const c_char,
    /// Its length without the NUL.
    pub json_len: usize,
    /// The serial that was reserved when ordering, where a newer Pico (generation G3) sent it.
    pub reserved_serial_number: *const c_char,
    /// The second order id that was given when ordering, where a newer Pico (generation G3) sent it.
    pub secondary_external_order_id: *const c_char,
}

/// One webhook registration. Pico never gives back the headers. What it did not send is NULL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pico_webhook_t {
    /// Size of this struct as the library knows it.
    pub struct_size: u32,
    /// The id the caller chose.
    pub subscription_id: *const c_char,
    /// The fragment that picks the stream and the payload's fields.
    pub response_fragment: *const c_char,
    /// Where Pico posts to.
    pub webhook_url: *const c_char,
    /// When it was registered, RFC 3339 in UTC.
    pub created_at: *const c_char,
    /// The same in milliseconds since 1970, or PICO_NO_TIME.
    pub created_at_ms: i64,
    /// When Pico last had an event for it.
    pub last_event_at: *const c_char,
    /// The same in milliseconds since 1970, or PICO_NO_TIME.
    pub last_event_at_ms: i64,
    /// The object as the server sent it; NUL-terminated.
    pub json: *const c_char,
    /// Its length without the NUL.
    pub json_len: usize,
}

/// An operator's note that is new or was changed. What Pico did not send is NULL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pico_note_t {
    /// Size of this struct as the library knows it.
    pub struct_size: u32,
    /// A running number.
    pub seq: i64,
    /// When the note was made, RFC 3339 in UTC; never NULL.
    pub at: *const c_char,
    /// The same in milliseconds since 1970.
    pub at_ms: i64,
    /// The note's id.
    pub id: *const c_char,
    /// The note's id in an outside ticket system.
    pub external_id: *const c_char,
    /// What the operator wrote.
    pub text: *const c_char,
    /// Whether it is new or changed; Pico does not list the values.
    pub event_type: *const c_char,
    /// Further detail, as JSON, in a form Pico does not describe.
    pub metadata_json: *const c_char,
    /// URL paths of pictures; none of them is NULL.
    pub images: *const *const c_char,
    /// How many there are.
    pub images_count: usize,
    /// The object as the server sent it; NUL-terminated.
    pub json: *const c_char,
    /// Its length without the NUL.
    pub json_len: usize,
}

/// A model of the core's that has a view.
pub(crate) trait Viewed: Model {
    type View: Copy + 'static;

    fn view(&self, arena: &mut Arena) -> Self::View;
}

/// A time as text and as milliseconds since 1970.
fn time<T: Display>(arena: &mut Arena, at: Option<(T, i64)>) -> (*const c_char, i64) {
    at.map_or((ptr::null(), PICO_NO_TIME), |(text, ms)| (arena.text(&text.to_string()), ms))
}

/// `time` of an optional timestamp; the type of the timestamp stays unnamed, since it is a dependency of
/// the core's.
macro_rules! time {
    ($arena:expr, $at:expr) => {
        time($arena, $at.map(|at| (at, at.as_millisecond())))
    };
}

fn attributes(arena: &mut Arena, all: &[Attribute]) -> (*const pico_attribute_t, usize) {
    let views: Vec<_> = all
        .iter()
        .map(|one| pico_attribute_t {
            id: arena.optional(one.id.as_deref()),
            external_id: arena.optional(one.external_id.as_deref()),
            value: arena.optional(one.value.as_deref()),
        })
        .collect();
    (arena.array(views), all.len())
}

fn json(arena: &mut Arena, model: &impl Model) -> (*const c_char, usize) {
    let text = model.raw().as_str();
    (arena.text(text), text.len())
}

fn size_of_view<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

impl Viewed for Operation {
    type View = pico_operation_t;

    fn view(&self, arena: &mut Arena) -> pico_operation_t {
        let (consumed_serials, consumed_serials_count) = attributes(arena, &self.consumed_serials);
        let (updated_at, updated_at_ms) = time!(arena, Some(self.updated_at));
        let (archived_at, archived_at_ms) = time!(arena, self.archived_at);
        let codes: Vec<_> = self.external_codes.iter().flatten().map(|code| arena.text(code)).collect();
        let (json, json_len) = json(arena, self);
        pico_operation_t {
            struct_size: size_of_view::<pico_operation_t>(),
            id: arena.optional(self.id.as_deref()),
            external_id: arena.optional(self.external_id.as_deref()),
            external_revision: arena.optional(self.external_revision.as_deref()),
            name: arena.text(&self.name),
            template_id: arena.optional(self.template_id.as_deref()),
            variant_name: arena.optional(self.variant_name.as_deref()),
            consumed_serials,
            consumed_serials_count,
            updated_at,
            updated_at_ms,
            archived_at,
            archived_at_ms,
            json,
            json_len,
            external_codes_count: codes.len(),
            external_codes: arena.array(codes),
        }
    }
}

impl Viewed for SubOperation {
    type View = pico_sub_operation_t;

    fn view(&self, arena: &mut Arena) -> pico_sub_operation_t {
        let (updated_at, updated_at_ms) = time!(arena, self.updated_at);
        let (json, json_len) = json(arena, self);
        pico_sub_operation_t {
            struct_size: size_of_view::<pico_sub_operation_t>(),
            parent_id: arena.optional(self.parent_id.as_deref()),
            sub_id: arena.optional(self.sub_id.as_deref()),
            sub_group: arena.optional(self.sub_group.as_deref()),
            updated_at,
            updated_at_ms,
            json,
            json_len,
        }
    }
}

impl Viewed for OrderComplete {
    type View = pico_order_complete_t;

    fn view(&self, arena: &mut Arena) -> pico_order_complete_t {
        let operation = self.operation.as_ref();
        let (at, at_ms) = time!(arena, Some(self.at));
        let (started_at, started_at_ms) = time!(arena, self.operation_summary.started_at);
        let (consumed_serials, consumed_serials_count) =
            attributes(arena, &self.operation_summary.consumed_serials);
        let (json, json_len) = json(arena, self);
        pico_order_complete_t {
            struct_size: size_of_view::<pico_order_complete_t>(),
            order_index: self.order_index.unwrap_or(-1),
            external_order_id: arena.text(&self.external_order_id),
            operation_id: arena.optional(self.operation_id()),
            operation_external_id: arena.optional(operation.and_then(|it| it.external_id.as_deref())),
            operation_external_revision: arena
                .optional(operation.and_then(|it| it.external_revision.as_deref())),
            operation_name: arena.optional(operation.and_then(|it| it.name.as_deref())),
            at,
            at_ms,
            started_at,
            started_at_ms,
            consumed_serials,
            consumed_serials_count,
            produced_serial: arena.optional(self.produced_serial()),
            json,
            json_len,
            reserved_serial_number: arena.optional(self.reserved_serial_number.as_deref()),
            secondary_external_order_id: arena.optional(self.secondary_external_order_id.as_deref()),
        }
    }
}

impl Viewed for Webhook {
    type View = pico_webhook_t;

    fn view(&self, arena: &mut Arena) -> pico_webhook_t {
        let (created_at, created_at_ms) = time!(arena, self.created_at);
        let (last_event_at, last_event_at_ms) = time!(arena, self.last_event_at);
        let (json, json_len) = json(arena, self);
        pico_webhook_t {
            struct_size: size_of_view::<pico_webhook_t>(),
            subscription_id: arena.optional(self.subscription_id.as_deref()),
            response_fragment: arena.optional(self.response_fragment.as_deref()),
            webhook_url: arena.optional(self.webhook_url.as_deref()),
            created_at,
            created_at_ms,
            last_event_at,
            last_event_at_ms,
            json,
            json_len,
        }
    }
}

impl Viewed for NoteEvent {
    type View = pico_note_t;

    fn view(&self, arena: &mut Arena) -> pico_note_t {
        let (at, at_ms) = time!(arena, Some(self.at));
        let images: Vec<_> = self.images.iter().map(|image| arena.text(image)).collect();
        let (json, json_len) = json(arena, self);
        pico_note_t {
            struct_size: size_of_view::<pico_note_t>(),
            seq: self.seq,
            at,
            at_ms,
            id: arena.optional(self.id.as_deref()),
            external_id: arena.optional(self.external_id.as_deref()),
            text: arena.optional(self.text.as_deref()),
            event_type: arena.optional(self.event_type.as_deref()),
            metadata_json: arena.optional(self.metadata.as_ref().map(|json| json.as_str())),
            images_count: images.len(),
            images: arena.array(images),
            json,
            json_len,
        }
    }
}

/// Views together with the memory that they point into.
pub(crate) struct Views<V> {
    all: Vec<V>,
    _arena: Arena,
}

// SAFETY: the pointers in the views lead into the arena, which is never changed once the views are made.
unsafe impl<V> Send for Views<V> {}
// SAFETY: as above.
unsafe impl<V> Sync for Views<V> {}

impl<V: Copy + 'static> Views<V> {
    pub(crate) fn of<T: Viewed<View = V>>(models: &[T]) -> Self {
        // The raw texts are most of what is copied; the fields repeat about as much again.
        let bytes = models.iter().map(|model| 2 * model.raw().as_bytes().len()).sum();
        let mut arena = Arena::with_capacity(bytes);
        Self { all: models.iter().map(|model| model.view(&mut arena)).collect(), _arena: arena }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The view at an index, or NULL.
    pub(crate) fn at(&self, index: usize) -> *const V {
        self.all.get(index).map_or(ptr::null(), ptr::from_ref)
    }
}

/// A model and, once it was asked for, its view.
pub(crate) struct Typed<T: Viewed> {
    model: T,
    view: OnceLock<Views<T::View>>,
}

impl<T: Viewed> Typed<T> {
    pub(crate) fn new(model: T) -> Self {
        Self { model, view: OnceLock::new() }
    }

    pub(crate) fn view(&self) -> *const T::View {
        self.view.get_or_init(|| Views::of(std::slice::from_ref(&self.model))).at(0)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use pico_erp::Json;

    fn text(text: *const c_char) -> Option<String> {
        // SAFETY: the views and their memory are alive in every test that reads them.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_completion_shows_every_field_and_its_raw_json() {
        let raw = concat!(
            r#"{"externalOrderId":"E-1","operation":{"id":"op","externalId":"P","externalRevision":"B","name":"N"},"#,
            r#""orderIndex":2,"at":"2025-01-15T10:00:00.250Z","operationSummary":{"startedAt":"2025-01-15T09:00:00Z","#,
            r#""consumedSerials":[{"id":"a","externalId":"X","value":"S"}]},"endState":{"producedSerial":"SN"},"new":1}"#,
        );
        let model = OrderComplete::from_json(Json::new(raw).unwrap()).unwrap();
        let views = Views::of(&[model]);
        // SAFETY: there is one view.
        let view = unsafe { *views.at(0) };
        assert_eq!(text(view.external_order_id).as_deref(), Some("E-1"));
        assert_eq!(text(view.operation_external_revision).as_deref(), Some("B"));
        assert_eq!((view.order_index, view.at_ms), (2, 1_736_935_200_250));
        assert_eq!(text(view.at).as_deref(), Some("2025-01-15T10:00:00.25Z"));
        assert_eq!(view.started_at_ms, 1_736_931_600_000);
        // SAFETY: there is one serial.
        let serial = unsafe { *view.consumed_serials };
        assert_eq!((view.consumed_serials_count, text(serial.value).as_deref()), (1, Some("S")));
        assert_eq!(text(view.produced_serial).as_deref(), Some("SN"));
        assert_eq!((text(view.json).as_deref(), view.json_len), (Some(raw), raw.len()));
        assert!(views.at(1).is_null());
    }

    #[test]
    fn what_was_not_sent_is_null() {
        let raw = r#"{"name":"A","updatedAt":"2025-01-15T10:00:00Z"}"#;
        let views = Views::of(&[Operation::from_json(Json::new(raw).unwrap()).unwrap()]);
        // SAFETY: there is one view.
        let view = unsafe { *views.at(0) };
        assert!(view.id.is_null() && view.archived_at.is_null() && view.consumed_serials.is_null());
        assert_eq!((view.consumed_serials_count, view.archived_at_ms), (0, PICO_NO_TIME));

        let raw = r#"{"name":"A","updatedAt":"2025-01-15T10:00:00Z","externalCodes":["P",null,"Q"]}"#;
        let coded = Views::of(&[Operation::from_json(Json::new(raw).unwrap()).unwrap()]);
        assert!(view.external_codes.is_null() && view.external_codes_count == 0);
        // SAFETY: there is one view, with two codes.
        let (view, second) = unsafe { (*coded.at(0), *(*coded.at(0)).external_codes.add(1)) };
        assert_eq!((view.external_codes_count, text(second).as_deref()), (2, Some("Q")));

        let raw = r#"{"seq":7,"at":"2025-01-15T10:00:00Z","metadata":{"a":1},"images":["/1.png"]}"#;
        let views = Views::of(&[NoteEvent::from_json(Json::new(raw).unwrap()).unwrap()]);
        // SAFETY: there is one view, with one image.
        let (view, image) = unsafe { (*views.at(0), *(*views.at(0)).images) };
        assert_eq!((view.seq, view.images_count), (7, 1));
        assert_eq!(text(image).as_deref(), Some("/1.png"));
        assert_eq!(text(view.metadata_json).as_deref(), Some(r#"{"a":1}"#));
    }
}
