package training.lora.trainer.cli;

import picocli.CommandLine.Option;
import training.lora.trainer.tensor.ComputeDevice;

/** The option that says where it is computed; pods say so by LORA_DEVICE. */
final class DeviceOption {
    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "${env:LORA_DEVICE:-auto}",
            description =
                    "Where it computes: cpu; cuda, or cuda:N for the Nth card; auto, a card where PyTorch's natives"
                            + " and the driver have one, else the CPU. Default: LORA_DEVICE, else auto. The natives that come with"
                            + " the trainer know no CUDA: PYTORCH_LIBRARY_PATH names a folder with others.")
    private String wanted = "auto";

    /** As asked for on the command line. */
    String wanted() {
        return wanted;
    }

    /** Number of the card that is asked for, 0 where none is. */
    int card() {
        return wanted.matches("cuda:\\d{1,3}") ? Integer.parseInt(wanted.substring("cuda:".length())) : 0;
    }

    ComputeDevice choose() {
        return ComputeDevice.choose(wanted);
    }
}
