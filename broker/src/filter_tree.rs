//! Filters by their levels: who matches a topic is found along the topic's levels, however many filters there are.

use std::collections::HashMap;

use crate::filter::Filter;

/// Filters with a number each.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterTree(Node);

/// What filters have in common up to here.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The filter that ends here.
    here: Option<usize>,
    /// The filter that goes on with `#`.
    rest: Option<usize>,
    /// How others go on; one of the levels may be `+`.
    next: HashMap<Box<str>, Node>,
}

impl FilterTree {
    /// Adds a filter that is not there yet.
    pub(crate) fn insert(&mut self, filter: &Filter, number: usize) {
        let mut node = &mut self.0;
        for level in filter.as_str().split('/') {
            if level == "#" {
                node.rest = Some(number);
                return;
            }
            node = node.next.entry(level.into()).or_default();
        }
        node.here = Some(number);
    }

    /// The number of this very filter.
    pub(crate) fn get(&self, filter: &Filter) -> Option<usize> {
        let mut node = &self.0;
        for level in filter.as_str().split('/') {
            if level == "#" {
                return node.rest;
            }
            node = node.next.get(level)?;
        }
        node.here
    }

    /// The filters that match `topic`, ascending.
    pub(crate) fn matching(&self, topic: &str) -> Vec<usize> {
        let mut found = Vec::new();
        if !topic.starts_with('$') {
            self.0.collect(Some(topic), &mut found);
            found.sort_unstable();
        }
        found
    }

    /// The filters that cover `wanted`, in no order: what [`Filter::covers`] says of each.
    pub(crate) fn covering(&self, wanted: &Filter) -> Vec<usize> {
        let mut found = Vec::new();
        self.0.collect(Some(wanted.as_str()), &mut found);
        found
    }
}

impl Node {
    /// What goes on as `levels` do, which are those of a topic or of a filter; none: it ends here. A `#` is covered by `#` alone,
    /// a `+` by itself, too.
    fn collect(&self, levels: Option<&str>, found: &mut Vec<usize>) {
        found.extend(self.rest);
        let Some(levels) = levels else { return found.extend(self.here) };
        let (level, more) = match levels.split_once('/') {
            Some((level, more)) => (level, Some(more)),
            None => (levels, None),
        };
        if level == "#" {
            return;
        }
        let own = if level == "+" { None } else { self.next.get(level) };
        own.into_iter().chain(self.next.get("+")).for_each(|next| next.collect(more, found));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn levels(wild: &'static str) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "", wild]), 1..5).prop_map(|l| l.join("/"))
    }

    fn filters() -> impl Strategy<Value = Filter> {
        (levels("+"), any::<bool>()).prop_map(|(levels, rest)| {
            let text = if rest { format!("{levels}/#") } else { levels };
            // Nothing at all is no filter.
            text.parse().unwrap_or_else(|_| "#".parse().unwrap())
        })
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_each_filter_says(
            all in prop::collection::hash_set(filters(), 0..40),
            topic in levels("c"),
            wanted in filters(),
        ) {
            let all: Vec<Filter> = all.into_iter().collect();
            let mut tree = FilterTree::default();
            all.iter().enumerate().for_each(|(number, filter)| tree.insert(filter, number));
            let those = |is: &dyn Fn(&Filter) -> bool| -> Vec<usize> {
                (0..all.len()).filter(|number| is(&all[*number])).collect()
            };
            prop_assert_eq!(tree.matching(&topic), those(&|filter| filter.matches(&topic)));
            let mut covering = tree.covering(&wanted);
            covering.sort_unstable();
            prop_assert_eq!(covering, those(&|filter| filter.covers(&wanted)));
            for (number, filter) in all.iter().enumerate() {
                prop_assert_eq!(tree.get(filter), Some(number));
            }
        }
    }

    #[test]
    fn nothing_matches_what_is_the_systems() {
        let mut tree = FilterTree::default();
        tree.insert(&"#".parse().unwrap(), 0);
        tree.insert(&"+/x".parse().unwrap(), 1);
        assert!(tree.matching("$SYS/x").is_empty());
        assert_eq!(tree.matching("y/x"), [0, 1]);
    }
}
