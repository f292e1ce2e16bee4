// What surrounds a design in a fast simulation: beats come from files and go to files, so that
// the simulator asks the bench for nothing while frames move. Not for synthesis.

// Plays the beats of a file into an AXI4-Stream port: one line a beat, "tlast tkeep tuser tdata",
// all hexadecimal. Begins at start, ends with the file.
// gap: probability, in 1/256, of a clock without tvalid before a beat.
// LOG takes a line for each frame: the clocks in which its first and last beat were taken.
module espnic_player #(
    parameter WIDTH = 128,
    parameter USER = 1,
    parameter FILE = "",
    parameter LOG = ""
) (
    input clk,
    input rst,
    input start,
    input flush,
    input [31:0] clock,
    input [7:0] gap,
    input [31:0] seed,
    output reg [WIDTH-1:0] tdata,
    output reg [WIDTH/8-1:0] tkeep,
    output reg [USER-1:0] tuser,
    output reg tlast,
    output reg tvalid,
    input tready
);
    integer file, log, fields;
    reg [31:0] noise, first_clock;
    reg in_frame;
    reg [WIDTH-1:0] data;
    reg [WIDTH/8-1:0] keep;
    reg [USER-1:0] user;
    reg last;

    initial begin
        file = 0;
        log = 0;
    end

    always @(posedge clk) begin
        noise <= noise * 32'd1664525 + 32'd1013904223;
        if (tvalid && tready) begin
            if (!in_frame)
                first_clock <= clock;
            if (tlast)
                $fwrite(log, "%0d %0d\n", in_frame ? first_clock : clock, clock);
            in_frame <= !tlast;
        end
        if (rst) begin
            tvalid <= 0;
            in_frame <= 0;
        end else if (start) begin
            if (file != 0)
                $fclose(file);
            if (log != 0)
                $fclose(log);
            file = $fopen(FILE, "r");
            log = $fopen(LOG, "w");
            noise <= seed;
            tvalid <= 0;
            in_frame <= 0;
        end else if (file != 0 && (!tvalid || tready)) begin
            if (noise[31:24] < gap) begin
                tvalid <= 0;
            end else begin
                fields = $fscanf(file, "%h %h %h %h\n", last, keep, user, data);
                tlast <= last;
                tkeep <= keep;
                tuser <= user;
                tdata <= data;
                tvalid <= fields == 4;
                if (fields != 4) begin
                    $fclose(file);
                    file = 0;
                end
            end
        end
        if (flush)
            $fflush(log);
    end
endmodule

// Records the beats of an AXI4-Stream port: one line a beat, "clock tlast tkeep tuser tdata", the
// clock decimal, the rest hexadecimal. flush completes the file.
// stall: probability, in 1/256, of a clock without tready. frames counts those that have come.
module espnic_recorder #(
    parameter WIDTH = 128,
    parameter USER = 1,
    parameter FILE = ""
) (
    input clk,
    input rst,
    input start,
    input flush,
    input [31:0] clock,
    input [7:0] stall,
    input [31:0] seed,
    input [WIDTH-1:0] tdata,
    input [WIDTH/8-1:0] tkeep,
    input [USER-1:0] tuser,
    input tlast,
    input tvalid,
    output reg tready,
    output reg [31:0] frames
);
    integer file;
    reg [31:0] noise;

    initial file = 0;

    always @(posedge clk) begin
        noise <= noise * 32'd1664525 + 32'd1013904223;
        if (rst) begin
            tready <= 0;
        end else if (start) begin
            if (file != 0)
                $fclose(file);
            file = $fopen(FILE, "w");
            noise <= seed;
            frames <= 0;
            tready <= 0;
        end else if (file != 0) begin
            tready <= noise[31:24] >= stall;
            if (tvalid && tready) begin
                $fwrite(file, "%0d %h %h %h %h\n", clock, tlast, tkeep, tuser, tdata);
                frames <= frames + tlast;
            end
            if (flush)
                $fflush(file);
        end
    end
endmodule

// Tells when a run is over: all frames have come, or nothing has moved for LIMIT clocks.
module espnic_watch #(
    parameter LIMIT = 20000
) (
    input clk,
    input rst,
    input start,
    input moved,
    input complete,
    output reg flush,
    output reg done,
    output reg [31:0] clock
);
    reg running;
    reg [31:0] still;

    always @(posedge clk) begin
        clock <= clock + 1;
        still <= moved ? 0 : still + 1;
        flush <= 0;
        done <= flush;
        if (rst) begin
            clock <= 0;
            running <= 0;
        end else if (start) begin
            still <= 0;
            running <= 1;
        end else if (running && (complete || still == LIMIT)) begin
            running <= 0;
            flush <= 1;
        end
    end
endmodule

// Takes the answers to SA commands and counts them, and apart those with a result that is not 0.
module espnic_answers (
    input clk,
    input rst,
    input start,
    input valid,
    output ready,
    input [2:0] result,
    output reg [31:0] answers,
    output reg [31:0] refused
);
    assign ready = 1;

    always @(posedge clk)
        if (rst || start) begin
            answers <= 0;
            refused <= 0;
        end else if (valid) begin
            answers <= answers + 1;
            refused <= refused + (result != 0);
        end
endmodule
