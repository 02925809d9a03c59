package training.lora.trainer.tensor;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.engine.StandardCapabilities;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Where tensors live and are computed.
 *
 * @param device the processor or a card
 * @param name for people: {@code cpu}, or {@code cuda:0 (NVIDIA H100)}
 */
public record ComputeDevice(Device device, String name) {
    /** The processor. */
    public static final ComputeDevice CPU = new ComputeDevice(Device.cpu(), "cpu");

    private static final Logger LOG = LoggerFactory.getLogger(ComputeDevice.class);

    private static final String ENGINE = "PyTorch";

    private static final Pattern WANTED = Pattern.compile("cpu|auto|cuda(?::(\\d{1,3}))?");

    /**
     * Chooses by {@code wanted}: {@code cpu}; {@code cuda:N}, the Nth card, or {@code cuda}, the first; {@code auto}, the
     * first card where natives and driver have one, else the processor.
     *
     * @throws TrainerException Usage if it is none of these; InvalidConfiguration if a card is asked for and isn't there
     */
    public static ComputeDevice choose(String wanted) {
        String folder = System.getenv(Natives.FOLDER);
        return choose(wanted, folder, () -> CudaDriver.ask(CudaDriver.LIBRARY));
    }

    /**
     * @param folder of the natives; null for those that come with the trainer
     * @param driver is asked only where the natives know CUDA
     */
    static ComputeDevice choose(String wanted, @Nullable String folder, Supplier<CudaDriver> driver) {
        Matcher parts = WANTED.matcher(wanted);
        if (!parts.matches()) {
            throw new TrainerException(
                    Reason.Usage, "`--device` must be cpu, cuda, cuda:N or auto, was \"" + wanted + "\"");
        }
        Natives natives = Natives.in(folder);
        if (wanted.equals("cpu")) {
            return CPU;
        }
        CudaDriver found = natives.cuda()
                ? driver.get()
                : CudaDriver.none(
                        folder == null || folder.isEmpty()
                                ? "the natives that come with the trainer know no CUDA (%s is unset)"
                                        .formatted(Natives.FOLDER)
                                : "the natives in " + folder + " know no CUDA");
        int ordinal = parts.group(1) == null ? 0 : Integer.parseInt(parts.group(1));
        if (ordinal < found.cards().size()) {
            ComputeDevice card = card(ordinal, found.cards().get(ordinal));
            LOG.info("computing on {}", card.name());
            return card;
        }
        String why = found.problem() != null
                ? found.problem()
                : "there are %d, of which the first is cuda:0 (%s)"
                        .formatted(found.cards().size(), found.cards().get(0));
        if (!wanted.equals("auto")) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`--device` %s must be a card that this process can use, but %s".formatted(wanted, why));
        }
        LOG.info("computing on cpu, because {}", why);
        return CPU;
    }

    /** The device of {@code manager}, as {@link #name} has it. */
    public static String name(NDManager manager) {
        Device of = manager.getDevice();
        if (!of.isGpu()) {
            return of.getDeviceType();
        }
        List<String> cards = CudaDriver.ask(CudaDriver.LIBRARY).cards();
        return of.getDeviceId() < cards.size()
                ? card(of.getDeviceId(), cards.get(of.getDeviceId())).name()
                : "cuda:" + of.getDeviceId();
    }

    private static ComputeDevice card(int ordinal, String card) {
        return new ComputeDevice(Device.gpu(ordinal), "cuda:%d (%s)".formatted(ordinal, card));
    }

    /**
     * A root of native memory on this device. The first decides which natives are loaded: with one on the processor before
     * it, none on a card may work.
     *
     * @throws TrainerException InvalidConfiguration if it is a card that the natives can't use
     */
    public NDManager newManager() {
        Natives natives = Natives.in(System.getenv(Natives.FOLDER));
        natives.load(device.isGpu());
        Threads.choose();
        Engine engine = engine(natives);
        if (device.isGpu() && !engine.hasCapability(StandardCapabilities.CUDA)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must be usable by the natives of %s, but they find no CUDA: the driver may be older than they need"
                            .formatted(name, Natives.FOLDER));
        }
        return NDManager.newBaseManager(device, ENGINE);
    }

    private static Engine engine(Natives natives) {
        try {
            return Engine.getEngine(ENGINE);
        } catch (EngineException e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            if (natives.folder() == null || !(cause instanceof UnsatisfiedLinkError)) {
                throw e;
            }
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "the natives of %s must load, but: %s".formatted(Natives.FOLDER, cause.getMessage()),
                    e);
        }
    }
}
