package training.lora.trainer.florence;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxHeld;
import training.lora.trainer.onnx.OnnxKept;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.onnx.OnnxOutputs;

/**
 * Texts that Florence-2 writes, a token of each at a time. The first step reads the beginning and makes keys and values; from
 * then on those of what is seen stay where they are, in the runtime's memory, since the graph does not give them out again.
 */
public final class FlorenceText implements AutoCloseable {
    private final Florence model;
    private final Florence.Seen pictures;
    private final long[] before;
    private final int times;
    private final Map<String, OnnxArray> own = new LinkedHashMap<>();
    private final Map<String, OnnxHeld> fixed = new LinkedHashMap<>();
    private @Nullable OnnxKept begun;

    FlorenceText(Florence model, Florence.Seen pictures, long[] before, int times) {
        this.model = model;
        this.pictures = pictures;
        this.before = before.clone();
        this.times = times;
    }

    /** Logits of what may follow {@code tokens}, one of each text: a row of the vocabulary's size for each. */
    public float[][] next(long[] tokens) {
        if (tokens.length != pictures.count() * times) {
            throw new IllegalArgumentException(
                    "%d tokens for %d texts".formatted(tokens.length, pictures.count() * times));
        }
        if (begun == null && before.length == 0) {
            return logits(begin(tokens, List.of(Florence.LOGITS))
                    .copy(Florence.LOGITS)
                    .floats());
        }
        if (begun == null) {
            long[] ids = new long[tokens.length * before.length];
            for (int i = 0; i < tokens.length; i++) {
                System.arraycopy(before, 0, ids, i * before.length, before.length);
            }
            begin(ids, List.of());
        }
        return another(tokens);
    }

    /**
     * The first step.
     *
     * @param ids of all texts
     * @param more outputs than keys and values: a row of logits for each of {@code ids} may be much
     */
    private OnnxKept begin(long[] ids, List<String> more) {
        int rows = pictures.count() * times;
        int[] ofPicture = new int[rows];
        Arrays.setAll(ofPicture, i -> i / times);
        hold("encoder_hidden_states", rows(pictures.states(), ofPicture));
        hold("encoder_attention_mask", Florence.ones(rows, (int) pictures.tokens()));
        Map<String, OnnxArray> inputs = new HashMap<>(fixed);
        inputs.putAll(model.noCache(rows));
        inputs.put("inputs_embeds", model.embed(ids, rows));
        inputs.put("use_cache_branch", new OnnxArray.Booleans(new boolean[] {false}, 1));
        hold("use_cache_branch", new OnnxArray.Booleans(new boolean[] {true}, 1));
        List<String> outputs = new ArrayList<>(more);
        for (List<String> cache : List.of(model.own(), model.seen())) {
            cache.forEach(name -> outputs.add(Florence.present(name)));
        }
        OnnxKept out = model.decoder().keep(inputs, outputs);
        begun = out;
        model.own()
                .forEach(name -> own.put(name, out.copy(Florence.present(name)).floats()));
        model.seen().forEach(name -> fixed.put(Florence.past(name), out.held(Florence.present(name))));
        return out;
    }

    private void hold(String name, OnnxArray array) {
        fixed.put(name, OnnxModel.hold(array));
    }

    private float[][] another(long[] tokens) {
        Map<String, OnnxArray> inputs = new HashMap<>(fixed);
        inputs.put("inputs_embeds", model.embed(tokens, tokens.length));
        own.forEach((name, keys) -> inputs.put(Florence.past(name), keys));
        List<String> outputs = new ArrayList<>(List.of(Florence.LOGITS));
        model.own().forEach(name -> outputs.add(Florence.present(name)));
        OnnxOutputs out = model.decoder().run(inputs, outputs);
        model.own().forEach(name -> own.put(name, out.floats(Florence.present(name))));
        return logits(out.floats(Florence.LOGITS));
    }

    /** Those after the last token of each text. */
    private static float[][] logits(OnnxArray.Floats logits) {
        int length = (int) logits.shape()[1];
        int vocabulary = (int) logits.shape()[2];
        float[][] last = new float[(int) logits.shape()[0]][];
        for (int i = 0; i < last.length; i++) {
            int end = (i + 1) * length * vocabulary;
            last[i] = Arrays.copyOfRange(logits.data(), end - vocabulary, end);
        }
        return last;
    }

    private static OnnxArray.Floats rows(OnnxArray.Floats array, int[] rows) {
        long[] shape = array.shape().clone();
        int size = array.data().length / (int) shape[0];
        float[] picked = new float[rows.length * size];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(array.data(), rows[i] * size, picked, i * size, size);
        }
        shape[0] = rows.length;
        return new OnnxArray.Floats(picked, shape);
    }

    /** Goes on with the texts {@code rows}, some of which may be there twice, each in the place of one about the same picture. */
    public void pick(long[] rows) {
        int[] picked = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            picked[i] = Math.toIntExact(rows[i]);
            if (picked[i] / times != i / times) {
                throw new IllegalArgumentException("text %d is about another picture than %d".formatted(picked[i], i));
            }
        }
        own.replaceAll((name, keys) -> rows(keys.floats(), picked));
    }

    @Override
    public void close() {
        fixed.values().forEach(OnnxHeld::close);
        fixed.clear();
        if (begun != null) {
            begun.close();
        }
    }
}
