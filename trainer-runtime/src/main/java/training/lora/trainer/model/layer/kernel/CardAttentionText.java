package training.lora.trainer.model.layer.kernel;

import java.util.List;
import java.util.Map;
import training.lora.trainer.tensor.Template;

/**
 * libtorch's memory-efficient attention on cards (Rabe and Staats 2021), in fp32 and bf16; it takes rows as they lie,
 * (B, T, heads, d). It keeps the result, the log of the softmax's sums, and the state of a dropout that there is none of.
 *
 * @param causal whether a token sees only itself and those before it
 */
record CardAttentionText(long width, int heads, boolean causal) implements AttentionText {
    /** The kernels load 16 bytes at a time; heads of another size are filled up with zeros, which change nothing. */
    private static final int ALIGNMENT = 8;

    @Override
    public String forward() {
        return Template.fill(
                """
                hq = {q}
                hk = {k}
                hv = {v}
                o, l, os, oo, tq, tk = torch._efficient_attention_forward(hq, hk, hv, None, None, None, None, None, 0., {mask}, True, scale={scale})
                f = {rows}
                """,
                Map.of(
                        "q",
                        heads("y0"),
                        "k",
                        heads("y1"),
                        "v",
                        heads("y2"),
                        "mask",
                        mask(),
                        "scale",
                        scale(),
                        "rows",
                        rows("o")));
    }

    @Override
    public List<String> kept() {
        return List.of("f", "l", "os", "oo");
    }

    @Override
    public String backward() {
        return Template.fill(
                """
                hq = {q}
                hk = {k}
                hv = {v}
                ho = {f}
                hd = {df}
                e0, e1, e2, eb = torch._efficient_attention_backward(hd, hq, hk, hv, None, ho, None, None, torch.size(hq, 1), torch.size(hk, 1), l, 0., os, oo, {mask}, False, scale={scale})
                d0 = {d0}
                d1 = {d1}
                d2 = {d2}
                """,
                Map.of(
                        "q",
                        heads("y0"),
                        "k",
                        heads("y1"),
                        "v",
                        heads("y2"),
                        "f",
                        heads("f"),
                        "df",
                        heads("df"),
                        "mask",
                        mask(),
                        "scale",
                        scale(),
                        "d0",
                        rows("e0"),
                        "d1",
                        rows("e1"),
                        "d2",
                        rows("e2")));
    }

    /** The kernel's number of the mask: none, or the one that begins at the first query and key. */
    private int mask() {
        return causal ? 1 : 0;
    }

    private long size() {
        return width / heads;
    }

    private double scale() {
        return 1 / Math.sqrt((double) size());
    }

    private boolean aligned() {
        return size() % ALIGNMENT == 0;
    }

    private String heads(String y) {
        String split = AttentionText.split(y, heads, size());
        return aligned()
                ? split
                : "torch.constant_pad_nd(%s, [0, %d], 0.)".formatted(split, ALIGNMENT - size() % ALIGNMENT);
    }

    private String rows(String e) {
        String own = aligned() ? e : "torch.slice(%s, 3, 0, %d)".formatted(e, size());
        return "torch.reshape(%s, [-1, %d])".formatted(own, width);
    }
}
