package training.lora.trainer.model;

import java.util.List;

/**
 * libtorch's memory-efficient attention on cards (Rabe and Staats 2021), in fp32 and bf16; it takes rows as they lie,
 * (B, T, heads, d). It keeps the result, the log of the softmax's sums, and the state of a dropout that there is none of.
 */
record CardAttentionText(long width, int heads) implements AttentionText {
    /** The kernels load 16 bytes at a time. */
    private static final int ALIGNMENT = 8;

    /** Whether there is a kernel for such heads. */
    static boolean takes(long width, int heads) {
        return width / heads % ALIGNMENT == 0;
    }

    @Override
    public String forward() {
        return """
                hq = %s
                hk = %s
                hv = %s
                o, l, os, oo, tq, tk = torch._efficient_attention_forward(hq, hk, hv, None, None, None, None, None, 0., 0, True)
                f = torch.reshape(o, [-1, %d])
                """.formatted(heads("y0"), heads("y1"), heads("y2"), width);
    }

    @Override
    public List<String> kept() {
        return List.of("f", "l", "os", "oo");
    }

    @Override
    public String restore() {
        return "";
    }

    @Override
    public String backward() {
        return """
                hq = %s
                hk = %s
                hv = %s
                ho = %s
                hd = %s
                e0, e1, e2, eb = torch._efficient_attention_backward(hd, hq, hk, hv, None, ho, None, None, torch.size(hq, 1), torch.size(hk, 1), l, 0., os, oo, 0, False)
                d0 = torch.reshape(e0, [-1, %6$d])
                d1 = torch.reshape(e1, [-1, %6$d])
                d2 = torch.reshape(e2, [-1, %6$d])
                """.formatted(heads("y0"), heads("y1"), heads("y2"), heads("f"), heads("df"), width);
    }

    private String heads(String y) {
        return "torch.reshape(%s, [torch.size(x, 0), -1, %d, %d])".formatted(y, heads, width / heads);
    }
}
