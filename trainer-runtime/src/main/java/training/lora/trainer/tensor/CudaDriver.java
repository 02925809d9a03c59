package training.lora.trainer.tensor;

import com.sun.jna.NativeLibrary;
import com.sun.jna.ptr.IntByReference;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What NVIDIA's driver says of the cards that this process may use, in CUDA's order. It is asked directly, because the
 * answer decides which natives are loaded.
 *
 * @param cards their names
 * @param problem why there are none, a clause; null where there are
 */
record CudaDriver(List<String> cards, @Nullable String problem) {
    /** The driver's own library, which comes with it and not with CUDA. */
    static final String LIBRARY = "libcuda.so.1";

    private static final int NAME_BYTES = 256;

    CudaDriver {
        cards = List.copyOf(cards);
    }

    /** No driver was asked. */
    static CudaDriver none(String problem) {
        return new CudaDriver(List.of(), problem);
    }

    /** @param library name or path of the driver's library */
    static CudaDriver ask(String library) {
        NativeLibrary driver;
        try {
            driver = NativeLibrary.getInstance(library);
        } catch (UnsatisfiedLinkError e) {
            return none("there is no NVIDIA driver (" + library + ")");
        }
        try {
            call(driver, "cuInit", 0);
            IntByReference count = new IntByReference();
            call(driver, "cuDeviceGetCount", count);
            List<String> cards = new ArrayList<>();
            for (int i = 0; i < count.getValue(); i++) {
                cards.add(name(driver, i));
            }
            return cards.isEmpty() ? none("the NVIDIA driver shows no card") : new CudaDriver(cards, null);
        } catch (DriverException | UnsatisfiedLinkError e) {
            return none("the NVIDIA driver fails: " + e.getMessage());
        }
    }

    private static String name(NativeLibrary driver, int ordinal) throws DriverException {
        IntByReference device = new IntByReference();
        call(driver, "cuDeviceGet", device, ordinal);
        byte[] name = new byte[NAME_BYTES];
        call(driver, "cuDeviceGetName", name, NAME_BYTES, device.getValue());
        int length = 0;
        while (length < name.length && name[length] != 0) {
            length++;
        }
        return new String(name, 0, length, StandardCharsets.UTF_8);
    }

    private static void call(NativeLibrary driver, String function, Object... arguments) throws DriverException {
        int result = driver.getFunction(function).invokeInt(arguments);
        if (result != 0) {
            throw new DriverException(function + " returns " + result);
        }
    }

    /** The driver said no. */
    private static final class DriverException extends Exception {
        private static final long serialVersionUID = 1;

        DriverException(String message) {
            super(message);
        }
    }
}
