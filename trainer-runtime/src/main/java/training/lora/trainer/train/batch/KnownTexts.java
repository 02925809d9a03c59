package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptAlignmentSpec;
import training.lora.trainer.model.unet.Conditioning;

/** Texts of losses that no training changes: each is embedded once, and given as often as it is asked for. */
public final class KnownTexts implements Captions.Embedder {
    private final Map<String, Conditioning> texts;

    private KnownTexts(Map<String, Conditioning> texts) {
        this.texts = texts;
    }

    /**
     * Those that {@code spec} tells the base model, and where no text encoder or token is trained those that it tells what is trained.
     *
     * @param embedder of text encoders without an adapter
     * @param run that they belong to
     */
    public static KnownTexts of(LoraTrainingSpec spec, Captions.Embedder embedder, NDManager run) {
        return new KnownTexts(texts(spec).stream()
                .collect(Collectors.toMap(Function.identity(), text -> embedder.embed(List.of(text), run))));
    }

    /** Which these are; none where no loss tells the networks what nothing changes. */
    public static Set<String> texts(LoraTrainingSpec spec) {
        boolean change = spec.training().adaptsText();
        Set<String> all = new LinkedHashSet<>();
        PromptAlignmentSpec aligned = spec.training().loss().promptAlignment();
        if (aligned != null) {
            all.add(AlignedPrompt.target(aligned, spec.datasets()));
            all.add("");
            if (!change) {
                all.add(aligned.prompt());
            }
        }
        List<String> kept = spec.training().loss().preservation().prompts();
        if (kept != null && !change && !KeptPrompts.haveCaptions(kept)) {
            all.addAll(kept);
        }
        return all;
    }

    /** Whether it has all of {@code some}. */
    boolean haveAll(List<String> some) {
        return texts.keySet().containsAll(some);
    }

    @Override
    public Conditioning embed(List<String> asked, NDManager scope) {
        List<NDArray> contexts = new ArrayList<>();
        List<NDArray> pooled = new ArrayList<>();
        for (String text : asked) {
            Conditioning known = Objects.requireNonNull(texts.get(text), text);
            contexts.add(known.context());
            if (known.pooled() != null) {
                pooled.add(known.pooled());
            }
        }
        return new Conditioning(joined(contexts, scope), pooled.isEmpty() ? null : joined(pooled, scope), null);
    }

    private static NDArray joined(List<NDArray> rows, NDManager scope) {
        NDArray all = NDArrays.concat(new NDList(rows), 0);
        all.attach(scope);
        return all;
    }
}
