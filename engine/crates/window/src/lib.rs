//! Two pure state machines, a partition's progress and a shard, and the merge that makes Gold rows of partials.
