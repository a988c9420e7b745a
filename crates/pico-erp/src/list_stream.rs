//! [`ListStream`]: the elements of a list, as they arrive.

use std::sync::Arc;

use crate::client::Transport;
use crate::error::Error;
use crate::graphql::Request;
use crate::json::Json;
use crate::model::list_from_json;

pub(crate) struct ListStream(Option<Vec<Json>>);

impl ListStream {
    pub(crate) async fn open(
        transport: &Arc<Transport>,
        request: &Request,
        field: &'static str,
    ) -> Result<Self, Error> {
        let list = transport.call(request, true).await?.into_field(field)?;
        Ok(Self(Some(list_from_json(&list)?)))
    }

    /// The next elements; `None` after the last.
    pub(crate) async fn next_batch(&mut self) -> Option<Result<Vec<Json>, Error>> {
        self.0.take().map(Ok)
    }
}
