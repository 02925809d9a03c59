package training.lora.api;

import java.util.List;

/** The rule that concepts that are taught have a class, which takes the place of their triggers. */
final class ClassNames {
    private ClassNames() {}

    /**
     * Adds a sentence for each data set of role Train whose concept has no className.
     *
     * @param where what asks for it, behind "where"
     */
    static void require(LoraTrainingSpec spec, String where, List<String> problems) {
        int i = 0;
        for (DatasetSpec dataset : spec.datasets()) {
            ConceptSpec concept = dataset.concept();
            if (dataset.role() == DatasetRole.Train && (concept == null || concept.className() == null)) {
                problems.add(
                        "`spec.datasets[%d].concept` must have a className where %s, but has none".formatted(i, where));
            }
            i++;
        }
    }
}
