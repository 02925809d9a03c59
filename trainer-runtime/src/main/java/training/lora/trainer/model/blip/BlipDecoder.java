package training.lora.trainer.model.blip;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * BLIP's text decoder: BERT (post-norm) whose layers attend to the words before, then to what is seen. Keys and values
 * of both are kept, so that a step computes one token of each text.
 */
public final class BlipDecoder {
    static final String WORDS = "text_decoder.bert.embeddings.word_embeddings.weight";
    static final String HEAD = "text_decoder.cls.predictions.decoder.weight";
    static final String HEAD_BIAS = "text_decoder.cls.predictions.bias";

    private static final TorchScript PICK = TorchScript.compile("x, rows", "return torch.index_select(x, 0, rows)");

    private final int longest;
    private final Weights.Kernel embed;
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final Weights.Kernel leave;

    /**
     * A layer: what it keeps of the picture, and its step.
     *
     * @param seen (B, N, D) to keys and values (B, heads, N, d)
     * @param step the token (B, 1, C), keys and values so far (B, heads, T, d), and those of {@code seen}, to the token
     *     and the longer keys and values
     */
    private record DecoderLayer(Weights.Kernel seen, Weights.Kernel step) {}

    /** @param seenWidth of a token of what is seen */
    BlipDecoder(ParameterSet parameters, Config config, long seenWidth) {
        long width = config.integer("hidden_size", 768);
        long vocabulary = config.integer("vocab_size", 30524);
        longest = config.integer("max_position_embeddings", 512);
        int heads = config.integer("num_attention_heads", 8);
        long inner = config.integer("intermediate_size", 3072);
        double eps = config.number("layer_norm_eps", 1e-12);
        config.mustBe("hidden_act", "gelu");
        Parameter words = parameters.declare(WORDS, vocabulary, width);
        embed = new Weights()
                .add("e", words)
                .add("p", parameters.declare("text_decoder.bert.embeddings.position_embeddings.weight", longest, width))
                .add("n", parameters.norm("text_decoder.bert.embeddings.LayerNorm", width))
                .kernel(
                        List.of("ids", "at"),
                        "x = torch.add(torch.embedding(e, ids), torch.embedding(p, at))",
                        List.of("torch.layer_norm(x, [%d], nw, nb, %s)".formatted(width, eps)));
        for (int i = 0; i < config.integer("num_hidden_layers", 12); i++) {
            layers.add(layer(parameters, i, new Sizes(width, seenWidth, inner, heads, eps)));
        }
        leave = new Weights()
                .add("t", parameters.withBias("text_decoder.cls.predictions.transform.dense", width, width))
                .add("n", parameters.norm("text_decoder.cls.predictions.transform.LayerNorm", width))
                .add("hw", parameters.declare(HEAD, vocabulary, width))
                .add("hb", parameters.declare(HEAD_BIAS, vocabulary))
                .kernel(List.of("x"), """
                        y = torch.layer_norm(torch.gelu(torch.linear(torch.select(x, 1, 0), tw, tb)), [%d], nw, nb, %s)
                        """.formatted(width, eps), List.of("torch.linear(y, hw, hb)"));
    }

    /**
     * Sizes of a layer.
     *
     * @param seen width of a token of what is seen
     * @param inner width between the MLP's two maps
     */
    private record Sizes(long width, long seen, long inner, int heads, double eps) {
        /** {@code y} (B, T, C) as (B, heads, T, d). */
        String byHead(String y) {
            return "torch.transpose(torch.reshape(%1$s, [torch.size(%1$s, 0), -1, %2$d, %3$d]), 1, 2)"
                    .formatted(y, heads, width / heads);
        }

        String norm(String x, String weights) {
            return "torch.layer_norm(%s, [%d], %3$sw, %3$sb, %4$s)".formatted(x, width, weights, eps);
        }

        /** Attention of query {@code q} over {@code k} and {@code v}, as (B, 1, C). */
        String attend(String q, String k, String v) {
            return "torch.reshape(torch.transpose(torch.scaled_dot_product_attention(%s, %s, %s, None, 0., False), 1, 2), [torch.size(x, 0), -1, %d])"
                    .formatted(q, k, v, width);
        }
    }

    private static DecoderLayer layer(ParameterSet parameters, int number, Sizes sizes) {
        String path = "text_decoder.bert.encoder.layer." + number + ".";
        long width = sizes.width();
        Weights seen = new Weights()
                .add("k", parameters.withBias(path + "crossattention.self.key", width, sizes.seen()))
                .add("v", parameters.withBias(path + "crossattention.self.value", width, sizes.seen()));
        Weights step = new Weights()
                .add("q", parameters.withBias(path + "attention.self.query", width, width))
                .add("k", parameters.withBias(path + "attention.self.key", width, width))
                .add("v", parameters.withBias(path + "attention.self.value", width, width))
                .add("o", parameters.withBias(path + "attention.output.dense", width, width))
                .add("n", parameters.norm(path + "attention.output.LayerNorm", width))
                .add("r", parameters.withBias(path + "crossattention.self.query", width, width))
                .add("s", parameters.withBias(path + "crossattention.output.dense", width, width))
                .add("m", parameters.norm(path + "crossattention.output.LayerNorm", width))
                .add("f", parameters.withBias(path + "intermediate.dense", sizes.inner(), width))
                .add("g", parameters.withBias(path + "output.dense", width, sizes.inner()))
                .add("l", parameters.norm(path + "output.LayerNorm", width));
        return new DecoderLayer(
                seen.kernel(
                        List.of("x"),
                        """
                        a = torch.linear(x, kw, kb)
                        b = torch.linear(x, vw, vb)
                        """,
                        List.of(
                                "torch.contiguous(%s)".formatted(sizes.byHead("a")),
                                "torch.contiguous(%s)".formatted(sizes.byHead("b")))),
                step.kernel(
                        List.of("x", "pk", "pv", "sk", "sv"),
                        Template.fill(
                                """
                        a = torch.linear(x, qw, qb)
                        b = torch.linear(x, kw, kb)
                        c = torch.linear(x, vw, vb)
                        k = torch.cat([pk, {newKey}], 2)
                        v = torch.cat([pv, {newValue}], 2)
                        ta = torch.add(torch.linear({own}, ow, ob), x)
                        y = {normOwn}
                        d = torch.linear(y, rw, rb)
                        tb = torch.add(torch.linear({crossed}, sw, sb), y)
                        z = {normCrossed}
                        tc = torch.add(torch.linear(torch.gelu(torch.linear(z, fw, fb)), gw, gb), z)
                        """,
                                Map.of(
                                        "newKey",
                                        sizes.byHead("b"),
                                        "newValue",
                                        sizes.byHead("c"),
                                        "own",
                                        sizes.attend(sizes.byHead("a"), "k", "v"),
                                        "normOwn",
                                        sizes.norm("ta", "n"),
                                        "crossed",
                                        sizes.attend(sizes.byHead("d"), "sk", "sv"),
                                        "normCrossed",
                                        sizes.norm("tb", "m"))),
                        List.of(sizes.norm("tc", "l"), "k", "v")));
    }

    int longest() {
        return longest;
    }

    /** Texts about pictures of which {@code seen} (B, N, D) is what is seen, in a scope of its manager. */
    Text begin(NDArray seen) {
        NDManager scope = seen.getManager().newSubManager();
        List<NDList> crossed = new ArrayList<>();
        for (DecoderLayer layer : layers) {
            crossed.add(layer.seen().callAll(scope, seen));
        }
        return new Text(scope, crossed);
    }

    /** Texts that are being written, a token at a time. */
    public final class Text implements AutoCloseable {
        private final NDManager scope;
        private final List<NDList> seen;
        private final List<NDList> before = new ArrayList<>();
        private int length;

        private Text(NDManager scope, List<NDList> seen) {
            this.scope = scope;
            this.seen = seen;
            for (NDList keys : seen) {
                NDArray none = keys.get(0).get(":, :, 0:0");
                none.attach(scope);
                before.add(new NDList(none, none.duplicate()));
            }
        }

        /** Logits of the words that may follow {@code tokens}, one of each text: B rows of the vocabulary's size. */
        public float[][] next(long[] tokens) {
            try (NDManager step = scope.newSubManager()) {
                NDArray x = embed.call(step, step.create(tokens).expandDims(1), step.create(new long[] {length}));
                for (int i = 0; i < before.size(); i++) {
                    NDList keys = before.get(i);
                    NDList result = layers.get(i)
                            .step()
                            .callAll(
                                    step,
                                    x,
                                    keys.get(0),
                                    keys.get(1),
                                    seen.get(i).get(0),
                                    seen.get(i).get(1));
                    x = result.get(0);
                    keep(i, result.get(1), result.get(2));
                }
                length++;
                NDArray logits = leave.call(step, x);
                int vocabulary = (int) logits.getShape().get(1);
                float[] all = logits.toFloatArray();
                float[][] rows = new float[tokens.length][];
                for (int i = 0; i < rows.length; i++) {
                    rows[i] = java.util.Arrays.copyOfRange(all, i * vocabulary, (i + 1) * vocabulary);
                }
                return rows;
            }
        }

        private void keep(int layer, NDArray keys, NDArray values) {
            before.get(layer).close();
            keys.attach(scope);
            values.attach(scope);
            before.set(layer, new NDList(keys, values));
        }

        /** Goes on with the texts {@code rows}, some of which may be there twice. */
        public void pick(long[] rows) {
            try (NDManager step = scope.newSubManager()) {
                NDArray index = step.create(rows);
                for (int i = 0; i < before.size(); i++) {
                    NDList keys = before.get(i);
                    keep(i, PICK.call(step, keys.get(0), index), PICK.call(step, keys.get(1), index));
                }
            }
        }

        /** As {@link #pick}, with what is seen as well: where a text is written {@code times} over. */
        public void repeat(int times) {
            try (NDManager step = scope.newSubManager()) {
                int count = (int) seen.get(0).get(0).getShape().get(0);
                long[] rows = new long[count * times];
                for (int i = 0; i < rows.length; i++) {
                    rows[i] = i / times;
                }
                pick(rows);
                NDArray index = step.create(rows);
                for (int i = 0; i < seen.size(); i++) {
                    NDList keys = seen.get(i);
                    NDList picked =
                            new NDList(PICK.call(scope, keys.get(0), index), PICK.call(scope, keys.get(1), index));
                    seen.set(i, picked);
                    keys.close();
                }
            }
        }

        @Override
        public void close() {
            scope.close();
        }
    }
}
