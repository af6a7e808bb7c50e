"""Small PyTorch files for the tests of TorchFile; run with torch 2.13."""
import collections, os, pickle, sys, io, zipfile, torch
out = sys.argv[1]
torch.manual_seed(7)
base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
views = collections.OrderedDict()
views["whole"] = base
views["transposed"] = base.t()
views["column"] = base[:, 2]
views["block"] = base[1:3, 1:5]
views["expanded"] = base[0:1, 0:3].expand(4, 3)
views["scalar"] = base[3, 5]
views["empty"] = base[:0]
views["parameter"] = torch.nn.Parameter(base[2] + 0.5)
views["half"] = (base / 7).half()
views["bfloat"] = (base / 7).bfloat16()
views["double"] = (base / 7).double()
views["position_ids"] = torch.arange(5)
views["flags"] = torch.tensor([True, False])
torch.save(views, out + "/views.bin")
m = torch.nn.Linear(3, 2)
torch.save(m.state_dict(), out + "/module.pt")
torch.save(m.state_dict(), out + "/protocol4.pt", pickle_protocol=4)
torch.save(m.state_dict(), out + "/old-format.bin", _use_new_zipfile_serialization=False)
torch.save(m, out + "/whole-module.pt")
torch.save({"state_dict": m.state_dict(), "epoch": 3}, out + "/checkpoint.pt")
class Evil:
    def __reduce__(self): return os.system, ("touch /tmp/dunlin-was-here",)
torch.save({"weight": Evil()}, out + "/evil.pt")
