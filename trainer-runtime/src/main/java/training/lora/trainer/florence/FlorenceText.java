package training.lora.trainer.florence;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxHeld;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.onnx.OnnxOutputs;

/**
 * Texts that Florence-2 writes, a token of each at a time. The first step reads the beginning and makes keys and values; from
 * then on those of what is seen stay where they are, since the graph does not give them out again.
 */
public final class FlorenceText implements AutoCloseable {
    private final Florence model;
    private final Florence.Seen pictures;
    private final long[] before;
    private final int times;
    private final Map<String, OnnxArray> own = new LinkedHashMap<>();
    private final Map<String, OnnxHeld> fixed = new LinkedHashMap<>();

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
        return own.isEmpty() ? first(tokens) : another(tokens);
    }

    /** The texts about a picture are one so far. */
    private float[][] first(long[] tokens) {
        int rows = pictures.count();
        int length = before.length + 1;
        long[] ids = new long[rows * length];
        for (int i = 0; i < rows; i++) {
            System.arraycopy(before, 0, ids, i * length, before.length);
            ids[(i + 1) * length - 1] = tokens[i * times];
        }
        OnnxArray.Longs mask = Florence.ones(rows, (int) pictures.tokens());
        Map<String, OnnxArray> inputs = new HashMap<>(model.noCache(rows));
        inputs.put("inputs_embeds", model.embed(ids, rows));
        inputs.put("encoder_hidden_states", pictures.states());
        inputs.put("encoder_attention_mask", mask);
        inputs.put("use_cache_branch", new OnnxArray.Booleans(new boolean[] {false}, 1));
        List<String> outputs = new ArrayList<>(List.of(Florence.LOGITS));
        for (List<String> cache : List.of(model.own(), model.seen())) {
            cache.forEach(name -> outputs.add(Florence.present(name)));
        }
        OnnxOutputs out = model.decoder().run(inputs, outputs);
        int[] all = new int[tokens.length];
        Arrays.setAll(all, i -> i / times);
        model.own().forEach(name -> own.put(name, rows(out.floats(Florence.present(name)), all)));
        for (String name : model.seen()) {
            hold(Florence.past(name), rows(out.floats(Florence.present(name)), all));
        }
        hold("encoder_hidden_states", rows(pictures.states(), all));
        hold("encoder_attention_mask", Florence.ones(tokens.length, (int) pictures.tokens()));
        hold("use_cache_branch", new OnnxArray.Booleans(new boolean[] {true}, 1));
        return logits(out, all);
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
        int[] all = new int[tokens.length];
        Arrays.setAll(all, i -> i);
        return logits(out, all);
    }

    /** Those of the last token of each of {@code rows}. */
    private static float[][] logits(OnnxOutputs out, int[] rows) {
        OnnxArray.Floats logits = out.floats(Florence.LOGITS);
        int length = (int) logits.shape()[1];
        int vocabulary = (int) logits.shape()[2];
        float[][] last = new float[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            int end = (rows[i] + 1) * length * vocabulary;
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
    }
}
