package training.lora.trainer.model.layer.kernel;

import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

class AttentionTextTest {
    private static final int WIDTH = 16;
    private static final String[] NAMES = {"f", "dq", "dk", "dv"};

    /** The last: more than a tile for a head, whose last part is smaller; several heads, but not all, in a tile. */
    @ParameterizedTest
    @CsvSource({"2, 5, 5, 2", "2, 64, 7, 4", "1, 1500, 1500, 2", "3, 500, 700, 4"})
    void productsAreTheKernelsAttentionAndGradients(int batch, int tokens, int sources, int heads) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            List<NDArray> inputs =
                    new ArrayList<>(List.of(Randomness.normal(manager, 1, new Shape(batch, tokens, WIDTH))));
            for (int i = 0; i < 4; i++) {
                int rows = batch * (i == 1 || i == 2 ? sources : tokens);
                inputs.add(Randomness.normal(manager, 2 + i, new Shape(rows, WIDTH)));
            }

            NDList products = run(new AttentionText.Products(WIDTH, heads), inputs, manager);
            NDList mixed = run(new FlashThenProducts(WIDTH, heads), inputs, manager);
            NDList flash = run(new AttentionText.Flash(WIDTH, heads, false), inputs, manager);

            for (int i = 0; i < 4; i++) {
                assertClose(products.get(i), flash.get(i), 1e-5, NAMES[i]);
                assertClose(mixed.get(i), flash.get(i), 1e-5, NAMES[i]);
            }
        }
    }

    /** Queries times keys are up to some hundreds, whose exponentials fp32 can't hold, and some keys far from the others. */
    @Test
    void greatProductsDoNotOverflow() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            List<NDArray> inputs = new ArrayList<>(List.of(Randomness.normal(manager, 1, new Shape(1, 40, WIDTH))));
            for (int i = 0; i < 4; i++) {
                NDArray rows = Randomness.normal(manager, 2 + i, new Shape(40, WIDTH));
                inputs.add(i < 2 ? rows.mul(12).add(i) : rows);
            }

            NDList mixed = run(new FlashThenProducts(WIDTH, 2), inputs, manager);
            NDList flash = run(new AttentionText.Flash(WIDTH, 2, false), inputs, manager);

            for (int i = 0; i < 4; i++) {
                assertClose(mixed.get(i), flash.get(i), 2e-4, NAMES[i]);
            }
        }
    }

    private static NDList run(AttentionText text, List<NDArray> inputs, NDManager manager) {
        List<String> body = new ArrayList<>();
        (text.forward() + text.backward()).lines().forEach(body::add);
        body.add("return (f, d0, d1, d2)");
        return TorchScript.compile(List.of("x", "y0", "y1", "y2", "df"), body, 4)
                .callAll(manager, inputs.toArray(NDArray[]::new));
    }
}
