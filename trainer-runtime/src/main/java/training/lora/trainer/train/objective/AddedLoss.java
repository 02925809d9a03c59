package training.lora.trainer.train.objective;

import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import training.lora.api.TrainingSpec;

/** The losses that are minimised beside the prediction's. */
public enum AddedLoss {
    EmptyPrompt("loss.preservation.emptyPrompt", t -> t.loss().preservation().emptyPrompt() > 0),
    OutsideMask("loss.preservation.outsideMask", t -> t.loss().preservation().outsideMask() > 0),
    Prompts("loss.preservation.prompts", t -> t.loss().preservation().prompts() != null),
    PromptAlignment("loss.promptAlignment", t -> t.loss().promptAlignment() != null),
    AdapterL1("loss.adapterL1", t -> t.loss().adapterL1() != null),
    Deviation("tokens.deviationWeight", t -> t.tokens().any() && t.tokens().deviationWeight() > 0),
    Covariance("tokens.covarianceWeight", t -> t.tokens().any() && t.tokens().covarianceWeight() > 0),
    PromptNorm("tokens.promptNormWeight", t -> t.tokens().any() && t.tokens().promptNormWeight() != null),
    TriggerNorm("tokens.triggerNormWeight", t -> t.tokens().any() && t.tokens().triggerNormWeight() != null),
    Attention("tokens.attentionWeight", t -> t.tokens().attentionWeight() != null);

    private final String field;
    private final Predicate<TrainingSpec> asked;

    AddedLoss(String field, Predicate<TrainingSpec> asked) {
        this.field = field;
        this.asked = asked;
    }

    /** The field of {@code spec.training} that asks for it, which is its name in what is logged. */
    public String field() {
        return field;
    }

    /** Those that {@code training} asks for. */
    public static List<AddedLoss> of(TrainingSpec training) {
        return Arrays.stream(values()).filter(loss -> loss.asked.test(training)).toList();
    }
}
