//! The operations and the edges between them, as they stand now. It is filled from a seed and changed by
//! deploying; it announces nothing, `floor` does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::Error;
use crate::model::{Attribute, Operation, SubOperation};
use crate::seed::{Edges, OperationSpec, SubOperationSpec};
use crate::time::Time;

/// An edge with what Pico's API does not show of it.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) shown: Arc<SubOperation>,
    pub(crate) optional: bool,
}

impl Edge {
    pub(crate) fn group(&self) -> i32 {
        self.shown.sub_group.unwrap_or(0)
    }
}

/// All operations and edges of a sandbox.
#[derive(Default)]
pub(crate) struct Catalogue {
    operations: HashMap<String, Arc<Operation>>,
    /// By parent, then by child.
    edges: BTreeMap<String, BTreeMap<String, Edge>>,
}

impl Catalogue {
    pub(crate) fn operation(&self, id: &str) -> Option<&Arc<Operation>> {
        self.operations.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edges.values().map(BTreeMap::len).sum()
    }

    /// The operations that pass, by their last change, as the list query returns them.
    pub(crate) fn operations(&self, passes: impl Fn(&Operation) -> bool) -> Vec<Arc<Operation>> {
        let mut found: Vec<_> = self.operations.values().filter(|one| passes(one)).cloned().collect();
        found.sort_by(|a, b| (a.updated_at, &a.id).cmp(&(b.updated_at, &b.id)));
        found
    }

    /// The edges that pass, by their last change.
    pub(crate) fn edges(&self, passes: impl Fn(&SubOperation) -> bool) -> Vec<Arc<SubOperation>> {
        let all = self.edges.values().flat_map(BTreeMap::values).map(|edge| &edge.shown);
        let mut found: Vec<_> = all.filter(|one| passes(one)).cloned().collect();
        found.sort_by_key(|edge| (edge.updated_at, edge.sub_group));
        found
    }

    /// The edges down from one operation that an order with these choices takes, in building order.
    pub(crate) fn route(&self, parent: &str, selected: &[String]) -> Vec<Edge> {
        let mut route: Vec<Edge> =
            self.edges.get(parent).into_iter().flat_map(BTreeMap::values).cloned().collect();
        route.retain(|edge| !edge.optional || selected.contains(&edge.shown.sub_id));
        route.sort_by_key(Edge::group);
        route
    }

    /// Creates or replaces an operation.
    pub(crate) fn deploy(&mut self, spec: OperationSpec, now: Time) -> Result<Arc<Operation>, Error> {
        spec.check()?;
        let part_codes =
            || spec.external_id.as_ref().map(|part| part.split('|').map(str::to_owned).collect());
        let codes: Option<Vec<String>> = spec.external_codes.clone().or_else(part_codes);
        let slots = spec.consumed_serials.into_iter().map(|slot| Attribute { value: None, ..slot }).collect();
        let operation = Arc::new(Operation {
            id: spec.id.clone(),
            external_codes: codes.map(|codes| codes.into_iter().map(Some).collect()),
            external_id: spec.external_id,
            external_revision: spec.external_revision,
            name: spec.name,
            template_id: spec.template_id,
            variant_name: spec.variant_name,
            consumed_serials: slots,
            updated_at: spec.updated_at.unwrap_or(now),
            archived_at: spec.archived_at,
        });
        self.operations.insert(spec.id, Arc::clone(&operation));
        Ok(operation)
    }

    /// Creates or replaces an edge.
    pub(crate) fn link(&mut self, spec: SubOperationSpec, now: Time) -> Result<Arc<SubOperation>, Error> {
        for (field, id) in [("parentId", &spec.parent_id), ("subId", &spec.sub_id)] {
            if !self.operations.contains_key(id) {
                return Err(Error::not_found(format!("{field}: no operation `{id}`")));
            }
        }
        let mut edges = Edges::default();
        for (parent, sub) in
            self.edges.iter().flat_map(|(parent, subs)| subs.keys().map(move |sub| (parent, sub)))
        {
            edges.add(parent, sub);
        }
        if edges.would_loop(&spec.parent_id, &spec.sub_id) {
            let (parent, sub) = (&spec.parent_id, &spec.sub_id);
            return Err(Error::invalid(format!("subId: `{sub}` already contains `{parent}`")));
        }
        let shown = Arc::new(SubOperation {
            parent_id: spec.parent_id.clone(),
            sub_id: spec.sub_id.clone(),
            sub_group: spec.sub_group,
            updated_at: Some(now),
        });
        let edge = Edge { shown: Arc::clone(&shown), optional: spec.optional };
        self.edges.entry(spec.parent_id).or_default().insert(spec.sub_id, edge);
        Ok(shown)
    }
}
