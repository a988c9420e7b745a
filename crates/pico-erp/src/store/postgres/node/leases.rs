//! Roles that one node at a time plays for a plant: looks who has which, takes what is free and gives up what is too much.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio_postgres::Client;

use super::Topic;
use super::share::{Move, Seen, Spread, Stand, moves};
use super::thread::Thread;
use crate::error::Error;
use crate::store::Role;
use crate::store::candidacy::{Holder, Tenure};

/// A lease as the database has it.
struct LeaseRow {
    token: i64,
    mine: bool,
    holder: Option<String>,
    ready: bool,
}

/// How the leases are spread over all nodes.
#[derive(Clone, Copy)]
struct Everywhere {
    spread: Spread,
    /// How many other nodes there are that stand for anything.
    others: usize,
}

impl Thread {
    /// Looks who plays which part, takes what is free and gives up what is too much.
    pub(super) async fn share(&self, client: &Client) -> Result<(), Error> {
        self.give_up_unwanted(client).await?;
        let wanted: Vec<(u64, String, &'static str)> = {
            let desk = self.shared.desk();
            let wanted = desk.standers.iter();
            wanted.map(|(key, one)| (*key, one.plant.name().to_owned(), one.role.name())).collect()
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let Everywhere { spread, others } = self.spread(client).await?;
        let rows = self.leases(client, &wanted).await?;
        let now = Instant::now();
        let mut stands = Vec::with_capacity(wanted.len());
        {
            let mut desk = self.shared.desk();
            for ((key, ..), row) in wanted.iter().zip(&rows) {
                let Some(stander) = desk.standers.get_mut(key) else {
                    stands.push(Stand { seen: Seen::Others, not_before: None });
                    continue;
                };
                let seen = match row {
                    Some(row) if row.mine => Seen::Mine,
                    Some(LeaseRow { holder: Some(_), .. }) => Seen::Others,
                    _ => Seen::Free(*stander.free_since.get_or_insert(now)),
                };
                if !matches!(seen, Seen::Free(_)) {
                    stander.free_since = None;
                }
                stands.push(Stand { seen, not_before: stander.not_before });
            }
        }
        let moves = moves(&stands, spread, now, self.shared.lease / 2);
        let mut give = Vec::new();
        let mut take = Vec::new();
        for (((key, plant, role), row), what) in wanted.iter().zip(&rows).zip(moves) {
            let mut desk = self.shared.desk();
            let Some(stander) = desk.standers.get_mut(key) else { continue };
            let held = row.as_ref().filter(|row| row.mine).map(|row| Tenure { token: row.token });
            let asked_to = stander.give_up.take().is_some_and(|tenure| Some(tenure) == held);
            // Where nobody else is there, giving up would help nobody.
            if what == Move::GiveUp || (asked_to && others > 0) {
                stander.holder.send_replace(Holder::Nobody);
                give.push((plant.clone(), *role));
                continue;
            }
            if what == Move::Take {
                take.push((*key, plant.clone(), *role));
                continue;
            }
            let new = match row {
                Some(row) if row.mine => Holder::Me(Tenure { token: row.token }),
                Some(LeaseRow { holder: Some(node), ready, .. }) => {
                    Holder::Other { node: node.clone(), ready: *ready }
                }
                _ => Holder::Nobody,
            };
            stander.holder.send_if_modified(|holder| {
                let changed = *holder != new;
                *holder = new;
                changed
            });
        }
        self.give(client, &give).await?;
        self.take(client, &take).await?;
        self.say_ready(client).await
    }

    /// How many leases which node has.
    async fn spread(&self, client: &Client) -> Result<Everywhere, Error> {
        let me = self.shared.number.load(Ordering::Acquire);
        let rows = client
            .query(
                "SELECT nodes.id, nodes.wants, count(leases.plant) FROM nodes LEFT JOIN leases ON leases.node = nodes.id \
                 WHERE nodes.until > clock_timestamp() GROUP BY nodes.id, nodes.wants",
                &[],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let mut spread = Spread { mine: 0, fewest_elsewhere: None };
        let mut others = 0;
        for row in rows {
            let (node, wants, held): (i64, i32, i64) = (row.get(0), row.get(1), row.get(2));
            let held = usize::try_from(held).unwrap_or_default();
            if node == me {
                spread.mine = held;
                continue;
            }
            if wants > 0 {
                others += 1;
            }
            if usize::try_from(wants).unwrap_or_default() > held {
                spread.fewest_elsewhere =
                    Some(spread.fewest_elsewhere.map_or(held, |fewest| fewest.min(held)));
            }
        }
        Ok(Everywhere { spread, others })
    }

    async fn leases(
        &self,
        client: &Client,
        wanted: &[(u64, String, &'static str)],
    ) -> Result<Vec<Option<LeaseRow>>, Error> {
        let me = self.shared.number.load(Ordering::Acquire);
        let plants: Vec<&str> = wanted.iter().map(|(_, plant, _)| plant.as_str()).collect();
        let roles: Vec<&str> = wanted.iter().map(|(_, _, role)| *role).collect();
        let rows = client
            .query(
                "SELECT leases.token, leases.node = $1, holder.name, leases.ready \
                 FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (plant, role, place) \
                 LEFT JOIN plants ON plants.name = wanted.plant \
                 LEFT JOIN leases ON leases.plant = plants.id AND leases.role = wanted.role \
                 LEFT JOIN nodes AS holder ON holder.id = leases.node AND holder.until > clock_timestamp() \
                 ORDER BY wanted.place",
                &[&me, &plants, &roles],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let lease = |row: &tokio_postgres::Row| {
            Some(LeaseRow {
                token: row.get::<_, Option<i64>>(0)?,
                mine: row.get::<_, Option<bool>>(1).unwrap_or(false)
                    && row.get::<_, Option<&str>>(2).is_some(),
                holder: row.get(2),
                ready: row.get(3),
            })
        };
        Ok(rows.iter().map(lease).collect())
    }

    async fn take(&self, client: &Client, wanted: &[(u64, String, &'static str)]) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        let plants: Vec<&str> = wanted.iter().map(|(_, plant, _)| plant.as_str()).collect();
        let roles: Vec<&str> = wanted.iter().map(|(_, _, role)| *role).collect();
        // In one order, so that two nodes that take several wait for each other and do not block each other.
        let rows = client
            .query(
                "WITH taken AS (INSERT INTO leases (plant, role, node, token) \
                 SELECT plants.id, wanted.role, $1, 1 FROM unnest($2::text[], $3::text[]) AS wanted (plant, role) \
                 JOIN plants ON plants.name = wanted.plant ORDER BY plants.id, wanted.role \
                 ON CONFLICT (plant, role) DO UPDATE SET node = $1, token = leases.token + 1, ready = false, \
                 since = clock_timestamp() WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = leases.node \
                 AND nodes.until > clock_timestamp()) RETURNING plant, role, token) \
                 SELECT plants.name, taken.role, taken.token FROM taken JOIN plants ON plants.id = taken.plant",
                &[&me, &plants, &roles],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let mut desk = self.shared.desk();
        for row in rows {
            let (plant, role, token): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
            let key = wanted
                .iter()
                .find(|(_, wanted, part)| wanted == plant && *part == role)
                .map(|(key, ..)| *key);
            // One that nobody stands for any more is given up the next time.
            if let Some(stander) = key.and_then(|key| desk.standers.get_mut(&key)) {
                tracing::info!(plant, role, token, "this node plays the part from now on");
                stander.free_since = None;
                stander.holder.send_replace(Holder::Me(Tenure { token }));
            }
        }
        Ok(())
    }

    async fn give(&self, client: &Client, leases: &[(String, &'static str)]) -> Result<(), Error> {
        if leases.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        let plants: Vec<&str> = leases.iter().map(|(plant, _)| plant.as_str()).collect();
        let roles: Vec<&str> = leases.iter().map(|(_, role)| *role).collect();
        client
            .execute(
                "UPDATE leases SET node = NULL, ready = false \
                 FROM unnest($2::text[], $3::text[]) AS given (plant, role) JOIN plants ON plants.name = given.plant \
                 WHERE leases.node = $1 AND leases.plant = plants.id AND leases.role = given.role",
                &[&me, &plants, &roles],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        for (plant, role) in leases {
            tracing::info!(plant, role, "this node has given the part up");
        }
        self.shared.tell(Topic::Leases, "");
        Ok(())
    }

    /// Gives up what this node has and nobody in it stands for any more.
    async fn give_up_unwanted(&self, client: &Client) -> Result<(), Error> {
        let me = self.shared.number.load(Ordering::Acquire);
        let rows = client
            .query(
                "SELECT plants.name, leases.role FROM leases JOIN plants ON plants.id = leases.plant \
                 WHERE leases.node = $1",
                &[&me],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let unwanted: Vec<(String, &'static str)> = {
            let desk = self.shared.desk();
            let stands_for = |plant: &str, role: Role| {
                desk.standers.values().any(|one| one.plant.name() == plant && one.role == role)
            };
            rows.iter()
                .filter_map(|row| {
                    let role = Role::ALL.iter().copied().find(|role| role.name() == row.get::<_, &str>(1))?;
                    let plant: &str = row.get(0);
                    (!stands_for(plant, role)).then(|| (plant.to_owned(), role.name()))
                })
                .collect()
        };
        self.give(client, &unwanted).await
    }

    async fn say_ready(&self, client: &Client) -> Result<(), Error> {
        let ready: Vec<(String, &'static str, i64)> = {
            let mut desk = self.shared.desk();
            let ready = desk.standers.values_mut().filter_map(|one| {
                let tenure = one.ready.take()?;
                Some((one.plant.name().to_owned(), one.role.name(), tenure.token))
            });
            ready.collect()
        };
        if ready.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        for (plant, role, token) in &ready {
            client
                .execute(
                    "UPDATE leases SET ready = true FROM plants WHERE plants.id = leases.plant AND plants.name = $1 \
                     AND leases.role = $2 AND leases.token = $3 AND leases.node = $4",
                    &[plant, role, token, &me],
                )
                .await
                .map_err(|error| self.failure(&error))?;
        }
        self.shared.tell(Topic::Leases, "");
        Ok(())
    }
}
