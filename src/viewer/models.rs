//! Which model wrote a row: that of the phase whose request brought it.

use crate::event::Phase;

/// The models that a run asks for tasks, by what their requests are for.
#[derive(Debug, Clone, Default)]
pub struct Models {
    named: Vec<(Phase, String)>,
}

impl Models {
    /// A run that asks one model for whole tasks.
    pub fn of_tasks(model: &str) -> Self {
        Self { named: vec![(Phase::Tasks, model.to_owned())] }
    }

    /// A run that buys outputs apart from instructions.
    pub fn of_two_phases(instructions: &str, outputs: &str) -> Self {
        let named = [(Phase::Instructions, instructions), (Phase::Responses, outputs)];
        Self { named: named.map(|(phase, model)| (phase, model.to_owned())).into() }
    }

    /// The model that requests of a phase ask.
    pub(super) fn of(&self, phase: Phase) -> Option<&str> {
        let found = self.named.iter().find(|(own, _)| *own == phase);
        found.map(|(_, model)| model.as_str())
    }

    /// The phases in which a model is asked; none when it never is.
    pub(super) fn phases(&self, model: &str) -> Vec<Phase> {
        self.named.iter().filter(|(_, own)| own == model).map(|(phase, _)| *phase).collect()
    }

    /// Every model once, in the order in which a task needs them.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.named.iter().map(|(_, model)| model.as_str()).collect();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_asked_in_one_phase_or_in_both() {
        let (one, both) = (Models::of_tasks("a"), Models::of_two_phases("a", "a"));
        assert_eq!((one.names(), both.names()), (vec!["a"], vec!["a"]));
        assert_eq!(both.phases("a"), [Phase::Instructions, Phase::Responses]);
        let two = Models::of_two_phases("a", "b");
        assert_eq!((two.names(), two.phases("b")), (vec!["a", "b"], vec![Phase::Responses]));
        assert_eq!((two.of(Phase::Instructions), two.of(Phase::Tasks)), (Some("a"), None));
        assert!(two.phases("c").is_empty());
    }
}
