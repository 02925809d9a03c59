package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.tensor.Rows;

/** The prepared data set's latents and, unless text encoders are trained, text embeddings, held in memory for the run. */
public final class CachedData implements TrainingData {
    private final Buckets buckets;
    private final int[] places;
    private final List<NDArray> means;
    private final List<NDArray> deviations;
    private final @Nullable List<NDArray> masks;
    private final @Nullable NDArray contexts;
    private final @Nullable NDArray pooled;
    private final NDArray timeIds;
    private final int size;

    /** @param texts whether text embeddings are asked for */
    public CachedData(PreparedDataset data, boolean texts, NDManager run) {
        size = data.size();
        buckets = data.buckets();
        places = new int[size];
        int[] counts = new int[buckets.count()];
        for (int i = 0; i < size; i++) {
            places[i] = counts[buckets.of(i)]++;
        }
        means = stacks(i -> data.latentMean(i, run));
        deviations = stacks(i -> data.latentStd(i, run));
        masks = data.masked() ? stacks(i -> data.mask(i, run)) : null;
        timeIds = PictureSizes.timeIds(data.sizes(), run);
        if (!texts) {
            contexts = null;
            pooled = null;
            return;
        }
        NDList contextParts = new NDList();
        NDList pooledParts = new NDList();
        for (int i = 0; i <= size; i++) {
            // The empty text stands behind those of the samples.
            TextEmbedding text = i < size ? data.textEmbedding(i, run) : data.emptyEmbedding(run);
            contextParts.add(text.context());
            if (text.pooled() != null) {
                pooledParts.add(text.pooled());
            }
        }
        contexts = NDArrays.stack(contextParts);
        pooled = pooledParts.isEmpty() ? null : NDArrays.stack(pooledParts);
        contextParts.close();
        pooledParts.close();
    }

    /** One of each size, because no tensor holds several. */
    private List<NDArray> stacks(IntFunction<NDArray> part) {
        List<NDArray> stacks = new ArrayList<>();
        for (int bucket = 0; bucket < buckets.count(); bucket++) {
            NDList parts = new NDList();
            for (int i = 0; i < size; i++) {
                if (buckets.of(i) == bucket) {
                    parts.add(part.apply(i));
                }
            }
            stacks.add(NDArrays.stack(parts));
            parts.close();
        }
        return stacks;
    }

    /** The rows of samples of one size. */
    private NDArray rows(List<NDArray> stacks, int[] samples, NDManager scope) {
        int bucket = buckets.of(samples[0]);
        int[] rows = new int[samples.length];
        for (int i = 0; i < rows.length; i++) {
            if (buckets.of(samples[i]) != bucket) {
                throw new IllegalArgumentException(
                        "samples %d and %d must have one size".formatted(samples[0], samples[i]));
            }
            rows[i] = places[samples[i]];
        }
        return Rows.take(stacks.get(bucket), rows, scope);
    }

    @Override
    public Buckets buckets() {
        return buckets;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public NDArray means(int[] samples, NDManager scope) {
        return rows(means, samples, scope);
    }

    @Override
    public NDArray deviations(int[] samples, NDManager scope) {
        return rows(deviations, samples, scope);
    }

    @Override
    public @Nullable NDArray masks(int[] samples, NDManager scope) {
        return masks == null ? null : rows(masks, samples, scope);
    }

    @Override
    public NDArray timeIds(int[] samples, NDManager scope) {
        return Rows.take(timeIds, samples, scope);
    }

    @Override
    public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
        int[] rows = samples.clone();
        for (int i = 0; i < rows.length; i++) {
            if (empty[i]) {
                rows[i] = size;
            }
        }
        NDArray context = Rows.take(Objects.requireNonNull(contexts, "text embeddings"), rows, scope);
        return pooled == null
                ? Conditioning.of(context)
                : new Conditioning(context, Rows.take(pooled, rows, scope), timeIds(samples, scope));
    }
}
