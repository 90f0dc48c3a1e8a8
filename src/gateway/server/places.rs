//! How many connections there are, altogether and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::report::metrics::{Closed, Metrics};

/// Counts connections; clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    most_of_source: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    sources: HashMap<IpAddr, usize>,
}

/// One connection; dropped when it ends.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    source: IpAddr,
    metrics: Arc<Metrics>,
}

impl Places {
    pub(super) fn new(most: usize, most_of_source: usize) -> Self {
        Self { shared: Arc::new(Shared { most, most_of_source, taken: Mutex::default() }) }
    }

    /// A place for a connection from `source`.
    ///
    /// # Errors
    /// There is none left.
    pub(super) fn take(&self, source: IpAddr, metrics: &Arc<Metrics>) -> Result<Place, Closed> {
        // A socket for both families shows IPv4 addresses as IPv6.
        let source = source.to_canonical();
        let mut taken = self.shared.taken();
        if taken.all >= self.shared.most {
            return Err(Closed::Full);
        }
        let of_source = taken.sources.get(&source).copied().unwrap_or_default();
        if of_source >= self.shared.most_of_source {
            return Err(Closed::SourceFull);
        }
        taken.sources.insert(source, of_source + 1);
        taken.all += 1;
        metrics.gateway().opened();
        Ok(Place { shared: Arc::clone(&self.shared), source, metrics: Arc::clone(metrics) })
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.sources.get(&self.source).copied().unwrap_or_default().saturating_sub(1);
        // An address without connections is forgotten, or the map would only grow.
        if left == 0 {
            taken.sources.remove(&self.source);
        } else {
            taken.sources.insert(self.source, left);
        }
        self.metrics.gateway().closed();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_per_address_and_given_back() {
        let (places, metrics) = (Places::new(3, 2), Arc::new(Metrics::new()));
        let [one, mapped, two, three] = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "fd00::3"].map(|ip| ip.parse().unwrap());
        let first = places.take(one, &metrics).unwrap();
        let _second = places.take(mapped, &metrics).unwrap();
        assert_eq!(places.take(one, &metrics).unwrap_err(), Closed::SourceFull);
        let _third = places.take(two, &metrics).unwrap();
        assert_eq!(places.take(three, &metrics).unwrap_err(), Closed::Full);
        assert_eq!(metrics.gateway().open(), 3);
        drop(first);
        let last = places.take(three, &metrics).unwrap();
        drop(last);
        assert_eq!(places.shared.taken().sources.len(), 2);
    }
}
